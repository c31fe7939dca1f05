export type RetryPolicy = {
  /** So many tries after the first one. */
  limit: number;
  /** The delay before the first retry; each one after it is twice as long. Default 1 s. */
  baseMs?: number;
  /** No delay is longer. Default 5 min. */
  maxMs?: number;
};

export const DEFAULT_RETRY_BASE_MS = 1000;
export const DEFAULT_RETRY_MAX_MS = 5 * 60_000;

/**
 * How long to wait before the next try: exponential backoff, of which the second half is random, so that what failed
 * together does not come back together.
 *
 * @param failed how many tries have failed, from 1
 * @param random a number from 0 to 1, without 1
 * @returns milliseconds, at least half of the full delay
 */
export function retryDelay(policy: RetryPolicy, failed: number, random: number): number {
  const { baseMs = DEFAULT_RETRY_BASE_MS, maxMs = DEFAULT_RETRY_MAX_MS } = policy;
  const full = Math.min(maxMs, baseMs * 2 ** (failed - 1));
  return full / 2 + (full / 2) * random;
}
