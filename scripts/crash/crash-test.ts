import { mkdirSync } from "node:fs";

import { tryBlockStates } from "./block-power.ts";
import {
  experiment,
  type Finding,
  type Outcome,
  prepareSubject,
  type Subject,
  type Tools,
} from "./experiment.ts";
import { blocksOf, fileSystemOf, injectionOf, isPointOf, KILLED_THEN_CUT, modelOf } from "./modes.ts";
import { type Operation } from "./operations.ts";
import { type Forgotten, tryKilledThenCut, tryLegalStates } from "./power-model.ts";
import { createPowerSlot, type PowerSlot } from "./power-slot.ts";
import { endsOfRuns, type Sample, sampleOf } from "./sample.ts";
import { type Slot } from "./slot.ts";

export type CrashTest = {
  tools: Tools;
  operations: readonly Operation[];
  modes: readonly string[];
  sample: Sample;
  /** Of calls in a row that do the same to the same file only the first and the last, as of the writes of one database transaction. */
  endsOnly: boolean;
  jobs: number;
  /** A scratch directory. */
  directory: string;
  onFinding: (finding: Finding) => void;
  /** Is given all results that there are, after each. */
  onResult: (results: readonly Result[]) => void;
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
  const slots: Slot[] = Array.from({ length: test.jobs }, (_, index) => {
    const directory = `${test.directory}/slot${index}`;
    mkdirSync(directory);
    return { directory, home: `${directory}/home` };
  });
  const results: Result[] = [];
  for (const operation of test.operations) {
    const [first] = slots as [Slot, ...Slot[]];
    const subject = await prepareSubject(test.tools, operation, first, `${test.directory}/template`);
    for (const mode of test.modes) {
      if (operation.isLarge === true && (mode === KILLED_THEN_CUT || (modelOf(mode) ?? blocksOf(mode))))
        continue;
      results.push(await crash(test, subject, mode, slots));
      test.onResult(results);
    }
  }
  return results;
}

async function crash(test: CrashTest, subject: Subject, mode: string, slots: readonly Slot[]) {
  if (mode === KILLED_THEN_CUT) return await crashKilledThenCut(test, subject, slots);
  const model = modelOf(mode);
  if (model) return await crashInModel(test, subject, mode, slots, model.forgotten);
  const blocks = blocksOf(mode);
  if (blocks) return await crashInBlocks(test, subject, blocks, slots);
  const fileSystem = fileSystemOf(mode);
  if (!fileSystem) return await crashInMode(test, subject, mode, slots);
  const powered = slots.map(({ directory }) => createPowerSlot(fileSystem, directory));
  try {
    return await crashInMode(test, subject, mode, powered);
  } finally {
    for (const slot of powered) slot.dispose();
  }
}

async function crashKilledThenCut(
  test: CrashTest,
  subject: Subject,
  slots: readonly Slot[],
): Promise<Result> {
  const began = performance.now();
  const pick = <T>(flushes: readonly T[]) => sampleOf(flushes, test.sample);
  const { calls, checked, findings } = await tryKilledThenCut(
    test.tools,
    subject,
    KILLED_THEN_CUT,
    slots,
    pick,
    test.onFinding,
  );
  const seconds = (performance.now() - began) / 1000;
  const operation = subject.operation.name;
  return { operation, mode: KILLED_THEN_CUT, calls, points: checked, missed: 0, findings, seconds };
}

async function crashInBlocks(
  test: CrashTest,
  subject: Subject,
  blocks: NonNullable<ReturnType<typeof blocksOf>>,
  slots: readonly Slot[],
): Promise<Result> {
  const began = performance.now();
  const { calls, checked, findings } = await tryBlockStates(
    test.tools,
    subject,
    blocks,
    slots,
    (states) => sampleOf(states, test.sample),
    test.onFinding,
  );
  const seconds = (performance.now() - began) / 1000;
  const operation = subject.operation.name;
  return { operation, mode: blocks.mode, calls, points: checked, missed: 0, findings, seconds };
}

async function crashInModel(
  test: CrashTest,
  subject: Subject,
  mode: string,
  slots: readonly Slot[],
  forgotten: Forgotten,
): Promise<Result> {
  const began = performance.now();
  const { calls, checked, findings } = await tryLegalStates(
    test.tools,
    subject,
    mode,
    slots,
    forgotten,
    (states) => sampleOf(states, test.sample),
    test.onFinding,
  );
  const seconds = (performance.now() - began) / 1000;
  return { operation: subject.operation.name, mode, calls, points: checked, missed: 0, findings, seconds };
}

async function crashInMode(
  test: CrashTest,
  subject: Subject,
  mode: string,
  slots: readonly (Slot | PowerSlot)[],
): Promise<Result> {
  const began = performance.now();
  const ends = test.endsOnly ? endsOfRuns(subject.points) : undefined;
  const all = subject.points.flatMap((call, index) =>
    isPointOf(mode, call) && (ends?.has(index + 1) ?? true) ? [index + 1] : [],
  );
  if (fileSystemOf(mode)) all.push(subject.points.length + 1);
  const queue = sampleOf(all, test.sample);
  const points = queue.length;
  const findings: Finding[] = [];
  let missed = 0;
  await Promise.all(
    slots.map(async (slot) => {
      for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
        const { wasHit, finding } = await conclusive(() =>
          experiment(test.tools, subject, slot, mode, injectionOf(mode, at)),
        );
        if (!wasHit) missed++;
        if (!finding) continue;
        findings.push(finding);
        test.onFinding(finding);
      }
    }),
  );
  return {
    operation: subject.operation.name,
    mode,
    calls: subject.points.length,
    points,
    missed,
    findings,
    seconds: (performance.now() - began) / 1000,
  };
}

/** What ends the injector on a busy machine may do so once, and hardly twice. */
async function conclusive(run: () => Promise<Outcome>): Promise<Outcome> {
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const outcome = await run();
    if (outcome.isVoid !== true) return outcome;
  }
  throw new Error(`the injector was ended ${MAX_TRIES} times in a row`);
}
const MAX_TRIES = 3;
