import { type Inside } from "../process/inside.ts";
import { findProcesses, isAlive, livingProcess, type ProcessIdentity } from "../process/tree.ts";
import { type Health, type ObservedColumns, type ServiceState } from "../registry/services.ts";
import { type ProcessEntry } from "../system/process-table.ts";
import { type ConfinementSummary } from "./pack-process.ts";

/** A process as it is recorded with its service, in the column `processes`. */
export type StoredProcess = ProcessIdentity & { inside?: Inside | undefined };

/** One that lives, and what was seen of the command in its pid namespace, where that tells it. */
type ObservedProcess = ProcessIdentity & { inside?: { init: number; command: ProcessEntry } };

/** `reason`: why its state is another one than is recorded; null where it is that. */
export type ObservedService = { state: ServiceState; processes: ObservedProcess[]; reason: string | null };

/**
 * What a service is really doing: the recorded state, corrected by a look at its processes. A start that left processes
 * behind, all of which are gone, has `exited`; one that left none runs as long as the machine does.
 */
export function observeService(row: ObservedColumns, bootId: string): ObservedService {
  if (row.state !== "running") return { state: row.state, processes: aliveOf(row, bootId), reason: null };
  if (row.boot_id !== bootId)
    return { state: "exited", processes: [], reason: "this machine was restarted since it was started" };
  if (row.processes === "[]") return { state: "running", processes: [], reason: null };
  const alive = aliveOf(row, bootId);
  if (alive.length > 0) return { state: "running", processes: alive, reason: null };
  // Not by its session: nobody who is known is in it any more, and then its number may be anybody's.
  const others = findProcesses({ environment: { AURORA_SERVICE: row.service_id } });
  if (others.length > 0) return { state: "running", processes: others, reason: null };
  return { state: "exited", processes: [], reason: "all processes that its start left running are gone" };
}

/** How healthy a service is in such a state: what has passed its check and is down is not healthy any more. */
export function healthIn(state: ServiceState, recorded: Health): Health {
  const isUp = state === "running" || state === "starting" || state === "stopping";
  return recorded === "healthy" && !isUp ? "unknown" : recorded;
}

/** What confines a service's processes, as it was stored with them; null where nothing was, or it is damaged. */
export function storedConfinement(json: string | null): ConfinementSummary | null {
  try {
    return json === null ? null : (JSON.parse(json) as ConfinementSummary);
  } catch {
    return null;
  }
}

/** The processes of a service's row; none where they are damaged: then they are looked for by their mark. */
export function storedProcesses(json: string): StoredProcess[] {
  try {
    const stored: unknown = JSON.parse(json);
    return Array.isArray(stored) ? (stored as StoredProcess[]) : [];
  } catch {
    return [];
  }
}

function aliveOf(row: ObservedColumns, bootId: string): ObservedProcess[] {
  if (row.boot_id !== bootId || row.processes === "[]") return [];
  return storedProcesses(row.processes).flatMap(({ inside, ...identity }) => {
    // While the command lives, so does what is above it: one look tells both, and what the command uses.
    const command = inside && livingProcess(inside.command);
    if (inside && command) return [{ ...identity, inside: { init: inside.init, command } }];
    return isAlive(identity) ? [identity] : [];
  });
}
