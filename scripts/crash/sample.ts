/** Which of the points of an operation and mode are tried. */
export type Sample =
  /** At most so many, from the first to the last, in even steps. */
  | { points: number }
  /** Each so-many-th, counted from the first one, which is 1. */
  | { every: number; from: number };

export function sampleOf<T>(items: readonly T[], sample: Sample): T[] {
  if ("every" in sample) {
    const { every, from } = sample;
    return items.slice(from - 1).filter((_, index) => index % every === 0);
  }
  const { points } = sample;
  if (items.length <= points) return [...items];
  return Array.from(
    { length: points },
    (_, index) => items[Math.round((index * (items.length - 1)) / Math.max(1, points - 1))] as T,
  );
}
