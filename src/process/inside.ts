import { childIds } from "../system/child-processes.ts";
import { innerProcessId, readProcess } from "../system/process-table.ts";
import { RELAY_NAME } from "./confinement/process-names.ts";

/** What the launcher has put into a pid namespace, by the numbers that it has out here. */
export type Inside = {
  /** The first process in there, which becomes the parent of all that lose theirs. */
  init: number;
  /** What was to be started. With its end all of it ends. */
  command: { pid: number; startTime: number };
};

/**
 * What is in the pid namespace below a process that the launcher has left outside of it.
 *
 * @returns undefined where there is none, or the launcher has not come that far yet
 */
export function insideOf(relay: number): Inside | undefined {
  if (readProcess(relay)?.name !== RELAY_NAME) return undefined;
  const init = childIds(relay, 1)?.[0];
  if (init === undefined || innerProcessId(init) !== 1) return undefined;
  // The list is in the order of arrival, and the command was there before any orphan.
  const command = readProcess(childIds(init, 1)?.[0] ?? 0);
  return command && { init, command: { pid: command.pid, startTime: command.startTime } };
}
