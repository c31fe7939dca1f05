/**
 * What happens when a run is due while an earlier run of the same job has not ended; a run that waits for its resources or
 * for its next try has not ended either.
 *
 * - `skip`: the new one is recorded as skipped
 * - `queue`: it runs when those before it have ended
 * - `{ allow: n }`: up to n at once, more are skipped
 * - `replace`: those before it are told to stop, and it starts when they have
 */
export type OverlapPolicy = "skip" | "queue" | "replace" | { allow: number };

/** Under `queue`, so many wait at most; more are skipped. */
export const MAX_QUEUED_RUNS = 100;

/**
 * @param active runs of the job that have not ended, without the queued ones
 * @param queued runs that wait for those to end
 */
export function decideOverlap(
  policy: OverlapPolicy,
  active: number,
  queued: number,
): "start" | "skip" | "queue" | "replace" {
  if (typeof policy === "object") return active < policy.allow ? "start" : "skip";
  if (active === 0 && queued === 0) return "start";
  if (policy === "queue") return queued < MAX_QUEUED_RUNS ? "queue" : "skip";
  return policy;
}
