import { type PackStatus } from "../../lifecycle/pack-status.ts";
import { formatSize } from "../../system/units.ts";
import { type Paint } from "../command.ts";
import { table } from "./text-table.ts";

/** What `status` and `wait` show of packs. */
export function renderStatuses(statuses: PackStatus[], _paint: Paint): string {
  if (statuses.length === 0) return "nothing is installed";
  return table(
    ["PACK", "VERSION", "GENERATION", "STATE", "HEALTH", "PID", "SINCE", "RESTARTS", "MEMORY", "CONFINEMENT"],
    statuses.map(({ pack_id, version, generation, state, health, memory_bytes, confinement, ...status }) => [
      pack_id,
      version,
      generation === null ? "-" : String(generation),
      state,
      health,
      status.pid === null ? "-" : String(status.pid),
      status.since ?? "-",
      status.since === null ? "-" : String(status.restarts),
      memory_bytes === null ? "-" : formatSize(memory_bytes),
      confinement?.state ?? "-",
    ]),
  );
}
