/** A pause is shortened by up to this part of it at random, so that services that failed together do not start together. */
export const JITTER = 0.1;
/** Who ran for so long is taken to be well: the next failure counts as the first. */
export const STABLE_MS = 10_000;

/**
 * How long after the last start the next one may come: the least pause, doubled with each further failure in a row. Counted
 * from start to start, so that a service that ran longer than its pause is started again at once. Pure.
 *
 * @param failures in a row, 1 or more
 * @param random from 0 up to 1
 */
export function pauseMs(
  failures: number,
  [least, most]: readonly [least: number, most: number],
  random: number,
): number {
  const seconds = Math.min(most, least * 2 ** Math.min(failures - 1, 60));
  return seconds * 1000 * (1 - JITTER * random);
}
