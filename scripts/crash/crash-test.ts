import { experiment, type Finding, prepareSubject, type Slot, type Tools } from "./experiment.ts";
import { injectionOf, isPointOf } from "./modes.ts";
import { type Operation } from "./operations.ts";

export type CrashTest = {
  tools: Tools;
  operations: readonly Operation[];
  modes: readonly string[];
  /** At most so many points of each operation and mode, spread evenly. */
  maxPoints: number;
  jobs: number;
  /** A scratch directory. */
  directory: string;
  onFinding: (finding: Finding) => void;
};

export type Result = {
  operation: string;
  mode: string;
  /** How many calls of the operation change files. */
  calls: number;
  /** At how many of them it was crashed. */
  points: number;
  /** Points that were not reached, since the program took another way. */
  missed: number;
  findings: Finding[];
  seconds: number;
};

/** Crashes each operation in each mode at its points, several at a time. */
export async function runCrashTest(test: CrashTest): Promise<Result[]> {
  const slots: Slot[] = Array.from({ length: test.jobs }, (_, index) => ({
    directory: `${test.directory}/slot${index}`,
    home: `${test.directory}/slot${index}/home`,
  }));
  const results: Result[] = [];
  for (const operation of test.operations) {
    const [first] = slots as [Slot, ...Slot[]];
    const subject = await prepareSubject(test.tools, operation, first, `${test.directory}/template`);
    for (const mode of test.modes) {
      const began = performance.now();
      const all = subject.points.flatMap((call, index) => (isPointOf(mode, call) ? [index + 1] : []));
      const queue = spread(all, test.maxPoints);
      const points = queue.length;
      const findings: Finding[] = [];
      let missed = 0;
      await Promise.all(
        slots.map(async (slot) => {
          for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
            const { wasHit, finding } = await experiment(
              test.tools,
              subject,
              slot,
              mode,
              injectionOf(mode, at),
            );
            if (!wasHit) missed++;
            if (!finding) continue;
            findings.push(finding);
            test.onFinding(finding);
          }
        }),
      );
      results.push({
        operation: operation.name,
        mode,
        calls: subject.points.length,
        points,
        missed,
        findings,
        seconds: (performance.now() - began) / 1000,
      });
    }
  }
  return results;
}

/** At most `count` of the items, from the first to the last, in even steps. */
export function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from(
    { length: count },
    (_, index) => items[Math.round((index * (items.length - 1)) / Math.max(1, count - 1))] as T,
  );
}
