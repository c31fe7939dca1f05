/** After so many. */
const COLLECT_EVERY = 5;

/**
 * Has garbage collected, by other threads, while much the same is done for many one after the other: what stays of each would lie
 * scattered in what it leaves.
 *
 * @param index the how manieth has been done, from 0 on
 */
export function collectNowAndThen(index: number): void {
  if (index % COLLECT_EVERY === COLLECT_EVERY - 1) Bun.gc(false);
}
