/** Of calls in a row that do the same to the same file, the numbers of the first and of the last; of all others each. Counted from 1. */
export function endsOfRuns(calls: readonly string[]): Set<number> {
  const kinds = calls.map((call) => call.replace(/ n=\d+$/, ""));
  return new Set(
    kinds.flatMap((kind, index) =>
      kind === kinds[index - 1] && kind === kinds[index + 1] ? [] : [index + 1],
    ),
  );
}

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
