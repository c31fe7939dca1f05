import { unmapFilePages } from "./unmap-file-pages.ts";

/** The runtime collects its garbage when it is idle next; that is over by then, in milliseconds. */
const COLLECTED_MS = 100;
/** A thread of the runtime ends when it has had nothing to do for 10 s, and needs a part of the program for that, in milliseconds. */
const THREADS_ENDED_MS = 15_000;

/**
 * Gives back the memory that was only needed to start, or for a burst of changes: garbage, compiled code, pages of the program
 * file. A long-lived process calls it when it has come to rest.
 */
export function giveBackMemory(): void {
  Bun.shrink();
  // After what needs a part of the program of its own.
  for (const afterMs of [COLLECTED_MS, THREADS_ENDED_MS]) setTimeout(unmapFilePages, afterMs).unref();
}
