import { observeService } from "../../lifecycle/observe-service.ts";
import { type ConfinementSummary } from "../../lifecycle/pack-process.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { memoryOf } from "../../process/tree.ts";
import { livePackSummaries } from "../../registry/packs.ts";
import { type Health, serviceConfinements, services, type ServiceState } from "../../registry/services.ts";
import { allTrees } from "../../registry/trees.ts";
import { bootId } from "../../system/boot.ts";
import { formatSize } from "../../system/units.ts";
import { type Paint } from "../command.ts";
import { table } from "./text-table.ts";
import { unknownPack } from "./unknown-pack.ts";
import { checkPackId } from "./workspace.ts";

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

/** The state of the packs that were named, staged ones included, or of all that are installed. Throws `not-found`. */
export function packStatuses(workspace: Workspace, packIds: readonly string[]): PackStatus[] {
  const { registry } = workspace;
  const boot = bootId();
  const rows = new Map(services(registry).map((row) => [row.pack_id, row]));
  const live = new Map(livePackSummaries(registry).map((row) => [row.pack_id, row]));
  const confinements = serviceConfinements(registry);
  const ids = packIds.length > 0 ? [...new Set(packIds)] : [...live.keys()];
  return ids.map((packId) => {
    const pack = live.get(checkPackId(packId));
    if (!pack) return stagedStatus(workspace, packId);
    const row = rows.get(packId);
    const { state, processes } = row
      ? observeService(row, boot)
      : { state: "installed" as const, processes: [] };
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
      memory_bytes: processes.length === 0 ? null : memoryOf(processes.map(({ pid }) => pid)),
      confinement: state === "running" ? confinementOf(confinements.get(packId)) : null,
    };
  });
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

export function renderStatuses(statuses: PackStatus[], _paint: Paint): string {
  if (statuses.length === 0) return "nothing is installed";
  return table(
    ["PACK", "VERSION", "GENERATION", "STATE", "HEALTH", "PID", "SINCE", "MEMORY", "CONFINEMENT"],
    statuses.map(({ pack_id, version, generation, state, health, pid, since, memory_bytes, confinement }) => [
      pack_id,
      version,
      generation === null ? "-" : String(generation),
      state,
      health,
      pid === null ? "-" : String(pid),
      since ?? "-",
      memory_bytes === null ? "-" : formatSize(memory_bytes),
      confinement?.state ?? "-",
    ]),
  );
}
