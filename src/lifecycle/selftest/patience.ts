/** A change takes well under a second on most machines, and may be kept waiting. */
const SHORTEST_MS = 15_000;
/** So many times longer than one that was waited for, a change does not take. */
const FACTOR = 20;

/** How long the first changes may take, in milliseconds, when nobody knows how fast the machine is. */
export const FIRST_PATIENCE_MS = 600_000;

/**
 * After which time a change hangs, in milliseconds, on a machine on which some took so long: pure. A slow machine, or a busy one, is not
 * one that loses data.
 */
export function patienceAfter(durationsMs: readonly number[]): number {
  return Math.max(SHORTEST_MS, ...durationsMs.map((durationMs) => durationMs * FACTOR));
}
