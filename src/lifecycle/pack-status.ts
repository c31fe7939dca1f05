import { memoryOf, type Usage, type UsageGroup, usageOf } from "../process/usage.ts";
import { statusRows } from "../registry/packs.ts";
import { type Health, noRemarks, type ServiceRemarks, type ServiceState } from "../registry/services.ts";
import { allTrees } from "../registry/trees.ts";
import { bootId } from "../system/boot.ts";
import { healthIn, observeService, storedConfinement } from "./observe-service.ts";
import { ownSession } from "./own-session.ts";
import { type ConfinementSummary } from "./pack-process.ts";
import { unknownPack } from "./unknown-pack.ts";
import { type Workspace } from "./workspace.ts";

export type PackStatus = ServiceRemarks & {
  pack_id: string;
  version: string;
  generation: number | null;
  state: ServiceState | "staged" | "installed";
  health: Health;
  pid: number | null;
  since: string | null;
  restarts: number;
  exit_code: number | null;
  /** What is resident of its processes; what several of them share counts once. */
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
  const { statuses, groups } = lookAt(workspace, packIds);
  const memory = memoryOf(groups);
  for (const status of statuses) status.memory_bytes = memory.get(status.pack_id) ?? null;
  return statuses;
}

/**
 * The same, with what packs use: by one look at the table of processes, however many packs there are. The first process of a
 * service may be only the relay of a pid namespace, so that all below it counts.
 */
export function statusesWithUsage(workspace: Workspace, packIds: readonly string[]): StatusesWithUsage {
  const { statuses, groups } = lookAt(workspace, packIds);
  const usage = usageOf(groups);
  for (const status of statuses) status.memory_bytes = usage.get(status.pack_id)?.memoryBytes ?? null;
  return { statuses, usage };
}

type Look = {
  /** Without their memory. */
  statuses: PackStatus[];
  /** The processes of packs that have any. */
  groups: Map<string, UsageGroup>;
};

function lookAt(workspace: Workspace, packIds: readonly string[]): Look {
  const boot = bootId();
  const rows = new Map(statusRows(workspace.registry, packIds).map((row) => [row.pack_id, row]));
  const ids = packIds.length > 0 ? [...new Set(packIds)] : [...rows.keys()];
  const groups = new Map<string, UsageGroup>();
  const confinementOf = confinementReader();
  const statuses = ids.map((packId): PackStatus => {
    const row = rows.get(packId);
    if (!row) return stagedStatus(workspace, packId);
    const { version, generation } = row;
    if (row.state === null) return { ...unstarted, pack_id: packId, version, generation, state: "installed" };
    const { state, processes, reason } = observeService(row, boot);
    const { confinement, isWhole } = confinementOf(row.confinement);
    if (processes.length > 0) {
      const session = isWhole ? undefined : ownSession(row, processes);
      groups.set(packId, {
        pids: processes.map(({ pid }) => pid),
        sessions: session === undefined ? [] : [session],
        isWhole,
        ...(processes[0]?.inside && { inside: processes[0].inside }),
      });
    }
    return {
      pack_id: packId,
      version,
      generation,
      state,
      health: healthIn(state, row.health),
      pid: processes[0]?.pid ?? null,
      since: row.since,
      restarts: row.restarts,
      exit_code: row.rc,
      reason: reason ?? row.reason,
      last_end: row.last_end,
      next_start: row.next_start,
      status_text: state === "running" || state === "starting" ? row.status_text : null,
      memory_bytes: null,
      confinement: state === "running" ? confinement : null,
    };
  });
  return { statuses, groups };
}

function stagedStatus(workspace: Workspace, packId: string): PackStatus {
  const tree = allTrees(workspace.registry).findLast(({ pack_id }) => pack_id === packId);
  if (!tree) throw unknownPack(workspace, packId, "is neither installed nor staged");
  return { ...unstarted, pack_id: packId, version: tree.version, generation: null, state: "staged" };
}

const unstarted: Omit<PackStatus, "pack_id" | "version" | "generation" | "state"> = {
  health: "unknown",
  pid: null,
  since: null,
  restarts: 0,
  exit_code: null,
  ...noRemarks,
  memory_bytes: null,
  confinement: null,
};

type StoredConfinement = {
  confinement: ConfinementSummary | null;
  /** All of it is in a pid namespace. */
  isWhole: boolean;
};

/** Reads what confines services, as it is stored: most are confined alike, and what is alike is read once. */
function confinementReader(): (json: string | null) => StoredConfinement {
  const known = new Map<string | null, StoredConfinement>();
  return (json) => {
    const before = known.get(json);
    if (before) return before;
    const confinement = storedConfinement(json);
    const read = { confinement, isWhole: confinement?.layers.some(isProcessNamespace) ?? false };
    known.set(json, read);
    return read;
  };
}

function isProcessNamespace({ name, enforced }: ConfinementSummary["layers"][number]): boolean {
  return enforced && name === "process-namespace";
}
