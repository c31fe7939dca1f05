import { newestProcessId, processIds } from "../system/process-table.ts";

/** Up to so many numbers are looked at one by one; beyond, the list of all processes is shorter. */
const MAX_PIDS_TO_TRY = 256;
/** Where others start processes all the time, a look comes to its end all the same. */
const MAX_LOOKS = 100;

/**
 * What is found among the processes of the machine, in a look that misses nobody: a process that was listed may start another
 * and end before it is looked at, and the other is in no list. So where nothing was found, whatever was started meanwhile is
 * looked at as well, until nothing was.
 *
 * @param look what of these processes is wanted; numbers of threads, and of nobody, may be among them
 * @param after only processes whose numbers were given out after this one, which cannot have come round since
 */
export function lookAtAll<T>(look: (pids: Iterable<number>) => T[], after?: number): T[] {
  let newest = newestProcessId();
  let found = look(numbersBetween(after, newest) ?? processIds());
  for (let looks = 0; found.length === 0 && looks < MAX_LOOKS; looks++) {
    const before = newest;
    newest = newestProcessId();
    if (newest === before) break;
    // A number may be a thread's: what it belongs to is in the list of all.
    if (look(numbersBetween(before, newest) ?? processIds()).length > 0) found = look(processIds());
  }
  return found;
}

/** The numbers from after the one to the other; undefined where that cannot be told, or the list of all is shorter. */
function numbersBetween(before: number | undefined, newest: number | undefined): number[] | undefined {
  if (before === undefined || newest === undefined) return undefined;
  if (newest < before || newest - before > MAX_PIDS_TO_TRY) return undefined;
  return Array.from({ length: newest - before }, (_, i) => before + 1 + i);
}
