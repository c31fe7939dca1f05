/** setTimeout keeps its delay in 32 bits: a longer one fires at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Calls `action` once after `delayMs`, which may be longer than setTimeout can count. `Infinity` is never.
 *
 * @param startTimer setTimeout, or a test's own
 * @returns cancels it
 */
export function longTimer(
  delayMs: number,
  action: () => void,
  startTimer: (action: () => void, delayMs: number) => () => void = realTimer,
): () => void {
  let restMs = delayMs;
  let cancel: (() => void) | undefined;
  const next = () => {
    const stepMs = Math.min(restMs, LONGEST_TIMER_MS);
    restMs -= stepMs;
    cancel = startTimer(restMs > 0 ? next : action, stepMs);
  };
  next();
  return () => cancel?.();
}

function realTimer(action: () => void, delayMs: number): () => void {
  const timer = setTimeout(action, delayMs);
  return () => clearTimeout(timer);
}
