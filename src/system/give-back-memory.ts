import { pageOutFileMaps } from "./page-out.ts";

/** The runtime collects its garbage when it is idle next; that is over by then, in milliseconds. */
const COLLECTED_MS = 100;

/**
 * Gives back the memory that was only needed to start, or for a burst of changes: garbage, compiled code, pages of the program
 * file. A long-lived process calls it when it has come to rest.
 */
export function giveBackMemory(): void {
  Bun.shrink();
  // After the collection, which needs a part of the program of its own.
  setTimeout(pageOutFileMaps, COLLECTED_MS).unref();
}
