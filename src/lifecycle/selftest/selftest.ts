import { statfsSync } from "node:fs";
import { availableParallelism } from "node:os";

import { AuroraError } from "../../errors.ts";
import { type HomePaths } from "../../system/home.ts";
import { mountOf } from "../../system/mount.ts";
import { createScratch } from "../../system/scratch.ts";
import { formatSize } from "../../system/units.ts";
import { bad, type Check, good } from "../examine-home.ts";
import {
  type Bench,
  experiment,
  prepareBench,
  prepareSubject,
  type Slot,
  stopAnywhere,
  type Subject,
} from "./bench.ts";
import { flushCheck, mountCheck, namesCheck } from "./file-system.ts";
import { type Fault, operations } from "./operations.ts";
import { tryTogether } from "./together.ts";

export type SelftestReport = {
  checks: Check[];
  /** What this disk promises, in plain words. */
  promises: string[];
  /** What was not tried here, and why. */
  not_tested: string[];
  seconds: number;
};

/** What the self test is given beside the home. */
export type SelftestWorld = {
  self: string;
  signal: AbortSignal;
  onProgress: (text: string) => void;
};

/**
 * When each part ends, in milliseconds from the start; a change that has begun comes to its end. Of each part one comes first all the
 * same: on a machine so slow that the time is up by then, nothing would be promised for having been tried nowhere.
 */
const TIMES = { preparedMs: 6000, stepsMs: 13_500, anywhereMs: 16_500 };
const NEEDED_BYTES = 64 * 1024 ** 2;
const MAX_SLOTS = 4;
/** More faults than this are not told one by one. */
const MAX_SHOWN = 5;

type Task = { subject: Subject; fault: Fault; at: number };
type Finding = { what: string; faults: string[] };

/**
 * Tries on a home's own file system what Aurora promises: changes are stopped at their steps, run into a full disk and failing
 * writes, and run at once; and what a flush is worth there. All in scratch, which is gone afterwards.
 *
 * @param paths of a home that exists
 * @param times when each part ends, for tests
 * @throws {AuroraError} `no-space` where there is no room for it, `interrupted`
 */
export async function selftest(
  paths: HomePaths,
  world: SelftestWorld,
  times = TIMES,
): Promise<SelftestReport> {
  const began = performance.now();
  const { bavail, bsize } = statfsSync(paths.tmp);
  if (bavail * bsize < NEEDED_BYTES)
    throw new AuroraError(
      "no-space",
      `cannot run the self test: it needs ${formatSize(NEEDED_BYTES)} of free space in "${paths.tmp}", and there are ${formatSize(bavail * bsize)}`,
      { hint: "free some space and run the command again" },
    );
  using scratch = createScratch(paths.tmp, "selftest");
  const mount = mountOf(scratch.path);
  const checks = [mountCheck(mount), flushCheck(scratch.path), namesCheck(scratch.path)];
  world.onProgress("self test: preparing");
  const bench = await prepareBench(world.self, scratch.path, Math.min(MAX_SLOTS, availableParallelism()));
  const [first] = bench.slots as [Slot, ...Slot[]];
  endIfStopped(world);
  const subjects = await prepareSubjects(bench, world, began + times.preparedMs);
  const steps = await tryStepByStep(bench, subjects, world, began + times.stepsMs);
  const anywhere = await tryAnywhere(bench, subjects, world, began + times.anywhereMs);
  endIfStopped(world);
  world.onProgress("self test: commands at once");
  const together = await tryTogether(bench, first);
  endIfStopped(world);
  checks.push(
    ...steps.checks,
    anywhere.check,
    together.length === 0
      ? good("at once", "10 commands on one home: nothing was lost, and none waited for ever")
      : bad("at once", together.slice(0, MAX_SHOWN).join("; "), "do not rely on this file system"),
  );
  return {
    checks,
    promises: promisesOf(checks, steps.kills + anywhere.count),
    not_tested: [
      "a power cut: only pulling the plug shows whether the disk keeps what it says it has written",
      "each single system call: changes were stopped before each of their own steps, and inside the database only at random",
      ...operations
        .filter((operation) => !subjects.some((subject) => subject.operation === operation))
        .map(({ name }) => `${name}: the time was up`),
      ...(steps.left > 0 ? [`${steps.left} of ${steps.all} steps: the time was up`] : []),
    ],
    seconds: Math.round((performance.now() - began) / 100) / 10,
  };
}

function endIfStopped({ signal }: SelftestWorld): void {
  if (signal.aborted) throw new AuroraError("interrupted", "the self test was stopped");
}

/** As many changes as the time allows for; in the order in which they are listed. */
async function prepareSubjects(bench: Bench, world: SelftestWorld, deadline: number): Promise<Subject[]> {
  const queue = [...operations];
  const subjects: Subject[] = [];
  await Promise.all(
    bench.slots.map(async (slot) => {
      for (let next = queue.shift(); next !== undefined && !world.signal.aborted; next = queue.shift())
        if (subjects.length === 0 || performance.now() < deadline)
          subjects.push(await prepareSubject(bench, next, slot));
    }),
  );
  return subjects.toSorted((a, b) => operations.indexOf(a.operation) - operations.indexOf(b.operation));
}

async function tryStepByStep(
  bench: Bench,
  subjects: readonly Subject[],
  world: SelftestWorld,
  deadline: number,
) {
  const tasks = scattered(
    subjects.flatMap((subject) =>
      (["kill", "no-space", "io"] as const).flatMap((fault) =>
        Array.from({ length: subject.steps }, (_, index): Task => ({ subject, fault, at: index + 1 })),
      ),
    ),
  );
  const queue = [...tasks];
  const begun = new Set<Fault>();
  let left = 0;
  const done: Record<Fault, number> = { none: 0, kill: 0, "no-space": 0, io: 0 };
  const findings: (Finding & { fault: Fault })[] = [];
  await Promise.all(
    bench.slots.map(async (slot) => {
      for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
        if (world.signal.aborted) return;
        const { subject, fault, at } = task;
        if (performance.now() > deadline && begun.has(fault)) {
          left++;
          continue;
        }
        begun.add(fault);
        const faults = await experiment(bench, subject, slot, fault, at);
        done[fault]++;
        if (faults.length > 0)
          findings.push({ fault, what: `${subject.operation.name}, step ${at} of ${subject.steps}`, faults });
        world.onProgress(`self test: ${tasks.length - queue.length} of ${tasks.length} steps`);
      }
    }),
  );
  const check = (name: string, fault: Fault, what: string) =>
    verdict(
      name,
      `${what} at ${done[fault]} steps of ${subjects.length} changes: always the old or the new state, whole`,
      findings.filter((finding) => finding.fault === fault),
    );
  return {
    all: tasks.length,
    left,
    kills: done.kill,
    checks: [
      check("killed", "kill", "stopped"),
      check("disk full", "no-space", "out of space"),
      check("disk fails", "io", "an error"),
    ],
  };
}

/** Stopped at moments that are spread over the length of each change. */
async function tryAnywhere(
  bench: Bench,
  subjects: readonly Subject[],
  world: SelftestWorld,
  deadline: number,
): Promise<{ check: Check; count: number }> {
  const findings: Finding[] = [];
  let count = 0;
  await Promise.all(
    bench.slots.map(async (slot) => {
      while ((count === 0 || performance.now() < deadline) && !world.signal.aborted) {
        const number = count++;
        const subject = subjects[number % subjects.length] as Subject;
        const afterMs = subject.durationMs * fraction(number);
        const faults = await stopAnywhere(bench, subject, slot, afterMs);
        if (faults.length > 0)
          findings.push({ what: `${subject.operation.name}, after ${afterMs.toFixed(1)} ms`, faults });
        world.onProgress(`self test: stopped ${number + 1} times at random`);
      }
    }),
  );
  const check = verdict(
    "killed anywhere",
    `stopped ${count} times at random: always the old or the new state`,
    findings,
  );
  return { check, count };
}

function verdict(name: string, detail: string, findings: readonly Finding[]): Check {
  if (findings.length === 0) return good(name, detail);
  const shown = findings.slice(0, MAX_SHOWN).map(({ what, faults }) => `${what}: ${faults.join(", ")}`);
  return bad(
    name,
    `${findings.length} faults: ${shown.join("; ")}`,
    "do not rely on this file system, and report this",
  );
}

function promisesOf(checks: readonly Check[], kills: number): string[] {
  const isGood = (...names: string[]) =>
    names.every((name) => checks.some((check) => check.name === name && check.ok));
  return [
    ...(isGood("killed", "killed anywhere")
      ? [
          `A command that is killed leaves the old state or the new one, whole: at all ${kills} moments that were tried.`,
        ]
      : []),
    ...(isGood("disk full", "disk fails")
      ? ["A full disk or a failing write ends a command with a message, and nothing is half done."]
      : []),
    ...(isGood("at once") ? ["Commands that run at once wait for each other, and lose nothing."] : []),
    ...(isGood("file system", "flush")
      ? [
          "What a command has acknowledged was handed to the disk before. The disk must keep it; Aurora cannot see that.",
        ]
      : ["What was acknowledged may be lost in a power cut: see above."]),
  ];
}

/** The same tasks in an order in which any beginning is spread evenly over all: so time may run out anywhere. */
function scattered<T>(tasks: readonly T[]): T[] {
  return tasks
    .map((task, index) => ({ task, place: fraction(index) }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ task }) => task);
}

/** A low-discrepancy sequence: multiples of the golden ratio, without their whole part. */
function fraction(index: number): number {
  return (index * 0.618_033_988_749_895) % 1;
}
