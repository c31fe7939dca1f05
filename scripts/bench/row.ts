/** One line of the table that `bun run bench` prints. A bench file exports `bench(): Promise<BenchRow[]>`. */
export type BenchRow = {
  /** What was measured. */
  name: string;
  value: number;
  /** "ms", "MB/s", "tasks/s". */
  unit: string;
  /** Ours divided by theirs, both from this run. */
  ratio?: number;
  /** Who "they" are. */
  against?: string;
  /** What the ratio, or without one the value, may be at most. */
  target?: number;
};
