import { type Usage, type UsageGroup, usageOf } from "../process/usage.ts";
import { livePackSummaries } from "../registry/packs.ts";
import { type Health, serviceConfinements, services, type ServiceState } from "../registry/services.ts";
import { allTrees } from "../registry/trees.ts";
import { bootId } from "../system/boot.ts";
import { observeService } from "./observe-service.ts";
import { type ConfinementSummary } from "./pack-process.ts";
import { unknownPack } from "./unknown-pack.ts";
import { type Workspace } from "./workspace.ts";

export type PackStatus = {
  pack_id: string;
  version: string;
  generation: number | null;
  state: ServiceState | "staged" | "installed";
  health: Health;
  pid: number | null;
  since: string | null;
  restarts: number;
  exit_code: number | null;
  memory_bytes: number | null;
  /** What confines its processes, as it was when they were started; null where it was not started. */
  confinement: ConfinementSummary | null;
};

export type StatusesWithUsage = {
  statuses: PackStatus[];
  /** What the processes of running packs use now; packs without processes are not in it. */
  usage: Map<string, Usage>;
};

/** The state of the packs that were named, staged ones included, or of all that are installed. Throws `not-found`. */
export function packStatuses(workspace: Workspace, packIds: readonly string[]): PackStatus[] {
  return statusesWithUsage(workspace, packIds).statuses;
}

/**
 * The same, with what packs use: by one look at the table of processes, however many packs there are. The first process of a
 * service may be only the relay of a pid namespace, so that all below it counts.
 */
export function statusesWithUsage(workspace: Workspace, packIds: readonly string[]): StatusesWithUsage {
  const { registry } = workspace;
  const boot = bootId();
  const rows = new Map(services(registry).map((row) => [row.pack_id, row]));
  const live = new Map(livePackSummaries(registry).map((row) => [row.pack_id, row]));
  const confinements = serviceConfinements(registry);
  const ids = packIds.length > 0 ? [...new Set(packIds)] : [...live.keys()];
  const groups = new Map<string, UsageGroup>();
  const statuses = ids.map((packId): PackStatus => {
    const pack = live.get(packId);
    if (!pack) return stagedStatus(workspace, packId);
    const row = rows.get(packId);
    const { state, processes } = row
      ? observeService(row, boot)
      : { state: "installed" as const, processes: [] };
    if (row && processes.length > 0)
      groups.set(packId, {
        pids: processes.map(({ pid }) => pid),
        sessions: row.session === null || row.boot_id !== boot ? [] : [row.session],
      });
    return {
      pack_id: packId,
      version: pack.version,
      generation: pack.generation,
      state,
      health: row?.health ?? "unknown",
      pid: processes[0]?.pid ?? null,
      since: row?.since ?? null,
      restarts: row?.restarts ?? 0,
      exit_code: row?.rc ?? null,
      memory_bytes: null,
      confinement: state === "running" ? confinementOf(confinements.get(packId)) : null,
    };
  });
  const usage = usageOf(groups);
  for (const status of statuses) status.memory_bytes = usage.get(status.pack_id)?.memoryBytes ?? null;
  return { statuses, usage };
}

function stagedStatus(workspace: Workspace, packId: string): PackStatus {
  const tree = allTrees(workspace.registry).findLast(({ pack_id }) => pack_id === packId);
  if (!tree) throw unknownPack(workspace, packId, "is neither installed nor staged");
  return {
    pack_id: packId,
    version: tree.version,
    generation: null,
    state: "staged",
    health: "unknown",
    pid: null,
    since: null,
    restarts: 0,
    exit_code: null,
    memory_bytes: null,
    confinement: null,
  };
}

function confinementOf(summary: string | undefined): ConfinementSummary | null {
  return summary === undefined ? null : (JSON.parse(summary) as ConfinementSummary);
}
