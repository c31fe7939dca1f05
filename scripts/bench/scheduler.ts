/**
 * The scheduler against what else there is, in CPU time so that a busy machine does not disturb: medians of alternating rounds, each measure in a process of its own.
 *
 *   bun scripts/bench/scheduler.ts              everything, about two minutes
 *   bun scripts/bench/scheduler.ts pair-100k    one measure
 */
import { heapStats } from "bun:jsc";
import { readFileSync } from "node:fs";

import { compileCron } from "../../src/scheduler/cron.ts";
import { Scheduler } from "../../src/scheduler/scheduler.ts";
import { type Task } from "../../src/scheduler/timer-loop.ts";
import { randomCron } from "../../test/scheduler/random-cron.ts";
import { randomFrom } from "../../test/support/random.ts";
import type { BenchRow } from "./row.ts";

const ROUNDS = 5;
const CRON_JOBS = 10_000;
/** The Python class that this replaces runs one task per 10 ms of sleep: 97.7 tasks a second when it was measured. */
const PYTHON_TASKS_PER_SECOND = 97.7;

/** `ratio` is ours divided by theirs: below 1 is cheaper. */
export async function bench(): Promise<BenchRow[]> {
  const found: BenchRow[] = [];
  for (const name of Object.keys(measures)) {
    const child = Bun.spawn([process.execPath, import.meta.path, name, "--json"], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    found.push(...((await child.stdout.json()) as BenchRow[]));
  }
  return found;
}

const measures: Record<string, () => Promise<BenchRow[]> | BenchRow[]> = {
  "pair-100k": () => measurePair(100_000),
  "pair-1m": () => measurePair(1_000_000),
  "dispatch-100k": () => measureDispatch(100_000),
  "dispatch-1m": () => measureDispatch(1_000_000),
  memory: () => measureMemory(1_000_000),
  "cron-next": measureCronNext,
  "cron-jobs": measureCronJobs,
  lateness: measureLateness,
};

const nothing = () => {};

/**
 * CPU time so far, in nanoseconds: of the main thread where Linux tells it, since the compiler and the collector run in
 * threads of their own whenever it suits them.
 */
function cpu(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1").split(" ", 1)[0]);
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) * 1000;
  }
}

/** Schedules `count` timers over an hour, then cancels all of them in random order. */
function measurePair(count: number): BenchRow[] {
  const random = randomFrom(1);
  const delays = Float64Array.from({ length: count }, () => 1000 + Math.floor(random() * 3_600_000));
  const order = shuffled(count, random);
  const contestants: Record<string, () => void> = {
    ours() {
      const scheduler = new Scheduler();
      const tasks: Task[] = [];
      for (let i = 0; i < count; i++) tasks.push(scheduler.after(delays[i] as number, nothing));
      for (let i = 0; i < count; i++) scheduler.cancel(tasks[order[i] as number] as Task);
      void scheduler.drain(0);
    },
    setTimeout() {
      const timers: Timer[] = [];
      for (let i = 0; i < count; i++) timers.push(setTimeout(nothing, delays[i] as number));
      for (let i = 0; i < count; i++) clearTimeout(timers[order[i] as number]);
    },
    "binary heap"() {
      const heap = new BinaryHeap();
      const nodes: HeapNode[] = [];
      for (let i = 0; i < count; i++)
        nodes.push(heap.insert(performance.now() + (delays[i] as number), nothing));
      for (let i = 0; i < count; i++) heap.remove(nodes[order[i] as number] as HeapNode);
    },
  };
  const costs = alternate(contestants, count);
  return compare(`schedule and cancel, ${count.toLocaleString("en")} pending`, "ns", costs, {
    setTimeout: 0.5,
  });
}

/** `count` timers that are due at one moment: what it costs to run them, without scheduling them. */
async function measureDispatch(count: number): Promise<BenchRow[]> {
  const delay = count / 300;
  const costs: Record<string, number[]> = { ours: [], setTimeout: [], "binary heap": [] };
  // The first round only warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const name of Object.keys(costs)) {
      const done = Promise.withResolvers<void>();
      let left = count;
      const tick = () => void (--left === 0 && done.resolve());
      if (name === "ours") {
        const scheduler = new Scheduler();
        const now = performance.now();
        for (let i = 0; i < count; i++) scheduler.after(now + delay - performance.now(), tick);
      } else if (name === "setTimeout") {
        const now = performance.now();
        for (let i = 0; i < count; i++) setTimeout(tick, now + delay - performance.now());
      } else {
        const heap = new BinaryHeap();
        for (let i = 0; i < count; i++) heap.insert(1, tick);
        setTimeout(() => {
          for (let run = heap.takeDue(2); run; run = heap.takeDue(2)) run();
        }, delay);
      }
      Bun.gc(true);
      const before = cpu();
      await done.promise;
      if (round > 0) (costs[name] as number[]).push((cpu() - before) / count);
    }
  }
  return compare(`dispatch, ${count.toLocaleString("en")} due at once`, "ns", costs, { setTimeout: 0.5 });
}

/** Bytes for each pending task, and for each pending setTimeout. */
function measureMemory(count: number): BenchRow[] {
  const weigh = (fill: () => unknown): { heap: number; resident: number } => {
    Bun.gc(true);
    const before = { heap: heapStats().heapSize, resident: process.memoryUsage.rss() };
    const kept = fill();
    Bun.gc(true);
    const after = { heap: heapStats().heapSize, resident: process.memoryUsage.rss() };
    void (kept as { length: number }).length;
    return {
      heap: (after.heap - before.heap) / count,
      resident: (after.resident - before.resident) / count,
    };
  };
  const scheduler = new Scheduler();
  const ours = weigh(() => {
    for (let i = 0; i < count; i++) scheduler.after(1_000_000 + i, nothing);
    return [scheduler];
  });
  const timers: Timer[] = Array.from({ length: count });
  const theirs = weigh(() => {
    for (let i = 0; i < count; i++) timers[i] = setTimeout(nothing, 1_000_000 + i);
    return timers;
  });
  for (const timer of timers) clearTimeout(timer);
  scheduler.setRef(false);
  return [
    {
      name: "JS heap for each of 1,000,000 tasks",
      value: ours.heap,
      unit: "B",
      target: 110,
    },
    {
      name: "resident memory for each of 1,000,000 tasks",
      value: ours.resident,
      unit: "B",
      ratio: ours.resident / theirs.resident,
      against: "setTimeout",
    },
  ];
}

/** The next run of 200 random expressions in four zones, twenty times each. */
async function measureCronNext(): Promise<BenchRow[]> {
  const { Cron } = await import("croner");
  const random = randomFrom(2);
  const zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];
  const texts = Array.from({ length: 200 }, () => randomCron(random).text);
  const pairs = texts.map((text, i) => ({ text, zone: zones[i % zones.length] as string }));
  const ours = pairs.map(({ text, zone }) => compileCron(text, zone));
  const croners = pairs
    .slice(0, 40)
    .map(({ text, zone }) => new Cron(text, { timezone: zone, paused: true }));
  const START = Date.UTC(2026, 0, 1);
  const walk = (next: (from: number) => number | undefined) => {
    for (let at: number | undefined = START, i = 0; i < 20 && at !== undefined; i++) at = next(at);
  };
  const repeats = 25;
  const costs: Record<string, number[]> = { ours: [], "Bun.cron": [], croner: [] };
  for (let round = 0; round < ROUNDS; round++) {
    let before = cpu();
    for (let i = 0; i < repeats; i++) for (const cron of ours) walk((from) => cron.next(from));
    costs["ours"]?.push((cpu() - before) / (repeats * ours.length * 20));
    before = cpu();
    for (const { text, zone } of pairs) walk((from) => Bun.cron.parse(text, from, { tz: zone })?.getTime());
    costs["Bun.cron"]?.push((cpu() - before) / (pairs.length * 20));
    before = cpu();
    for (const cron of croners) walk((from) => cron.nextRun(new Date(from))?.getTime());
    costs["croner"]?.push((cpu() - before) / (croners.length * 20));
  }
  return compare("next run of a cron expression", "ns", costs, { "Bun.cron": 0.2, croner: 0.2 });
}

/** Adding and removing 10,000 cron jobs. */
async function measureCronJobs(): Promise<BenchRow[]> {
  const texts = Array.from({ length: CRON_JOBS }, (_, i) => `${i % 60} ${i % 24} * * *`);
  const contestants: Record<string, () => Promise<void> | void> = {
    ours() {
      const scheduler = new Scheduler();
      texts.forEach((expression, i) =>
        scheduler.add({
          id: String(i),
          schedule: { kind: "cron", expression, timezone: "UTC" },
          run: nothing,
        }),
      );
      for (let i = 0; i < CRON_JOBS; i++) scheduler.remove(String(i));
    },
    async "node-schedule"() {
      const schedule = (await import("node-schedule")).default;
      const jobs = texts.map((text) => schedule.scheduleJob({ rule: text, tz: "UTC" }, nothing));
      for (const job of jobs) job.cancel();
    },
    async "toad-scheduler"() {
      const { CronJob, Task, ToadScheduler } = await import("toad-scheduler");
      const scheduler = new ToadScheduler();
      texts.forEach((cronExpression, i) =>
        scheduler.addCronJob(
          new CronJob({ cronExpression, timezone: "UTC" }, new Task(String(i), nothing), { id: String(i) }),
        ),
      );
      scheduler.stop();
    },
    async "node-cron"() {
      const cron = (await import("node-cron")).default;
      const tasks = texts.map((text) => cron.schedule(text, nothing, { timezone: "UTC" }));
      for (const task of tasks) await task.destroy();
    },
    async croner() {
      const { Cron } = await import("croner");
      const jobs = texts.map((text) => new Cron(text, { timezone: "UTC" }, nothing));
      for (const job of jobs) job.stop();
    },
  };
  const costs: Record<string, number[]> = {};
  // One round for those that take seconds, after one job that loads and warms them.
  for (const [name, run] of Object.entries(contestants)) {
    costs[name] = [];
    for (let round = 0; round < (name === "ours" ? ROUNDS : 1); round++) {
      Bun.gc(true);
      const before = cpu();
      await run();
      costs[name].push((cpu() - before) / CRON_JOBS / 1000);
    }
  }
  return compare("add and remove a cron job, 10,000 jobs", "µs", costs);
}

/** How late 1,000 tasks begin, in milliseconds of the wall clock; and what they cost, against one per 10 ms of sleep. */
async function measureLateness(): Promise<BenchRow[]> {
  const run = async (delayOf: (i: number) => number) => {
    const scheduler = new Scheduler();
    const late: number[] = [];
    const done = Promise.withResolvers<void>();
    for (let i = 0; i < 1000; i++) {
      const due = performance.now() + delayOf(i);
      scheduler.after(delayOf(i), () => {
        late.push(performance.now() - due);
        if (late.length === 1000) done.resolve();
      });
    }
    await done.promise;
    return late.sort((a, b) => a - b);
  };
  await run(() => 10);
  const atOnce = await run(() => 100);
  const spread = await run((i) => 100 + i);
  const before = performance.now();
  await run(() => 0);
  const perSecond = 1000 / ((performance.now() - before) / 1000);
  const at = (late: number[], share: number) => late[Math.floor(late.length * share)] as number;
  return [
    { name: "lateness of 1,000 tasks due at once, p50", value: at(atOnce, 0.5), unit: "ms" },
    { name: "lateness of 1,000 tasks due at once, p99", value: at(atOnce, 0.99), unit: "ms" },
    { name: "lateness of 1,000 tasks over one second, p50", value: at(spread, 0.5), unit: "ms" },
    { name: "lateness of 1,000 tasks over one second, p99", value: at(spread, 0.99), unit: "ms" },
    {
      name: "tasks run in a second, 1,000 due at once",
      value: perSecond,
      unit: "1/s",
      ratio: PYTHON_TASKS_PER_SECOND / perSecond,
      against: "the Python class (97.7/s, measured once)",
    },
  ];
}

function alternate(contestants: Record<string, () => void>, count: number): Record<string, number[]> {
  const costs: Record<string, number[]> = {};
  // The first round only warms up.
  for (let round = 0; round <= ROUNDS; round++)
    for (const [name, run] of Object.entries(contestants)) {
      Bun.gc(true);
      const before = cpu();
      run();
      if (round > 0) (costs[name] ??= []).push((cpu() - before) / count);
    }
  return costs;
}

function compare(
  name: string,
  unit: string,
  costs: Record<string, number[]>,
  targets: Readonly<Record<string, number>> = {},
): BenchRow[] {
  const value = median(costs["ours"] as number[]);
  return Object.entries(costs)
    .filter(([against]) => against !== "ours")
    .map(([against, theirs]) => {
      const target = targets[against];
      const row = { name, value, unit, ratio: value / median(theirs), against };
      return target === undefined ? row : { ...row, target };
    });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

function shuffled(count: number, random: () => number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

type HeapNode = { due: number; sequence: number; position: number; run: (() => void) | undefined };

/** The usual timer queue: a binary heap whose nodes know their place, so that removing one is O(log n). */
class BinaryHeap {
  #nodes: HeapNode[] = [];
  #sequence = 0;

  insert(due: number, run: () => void): HeapNode {
    const node = { due, sequence: this.#sequence++, position: this.#nodes.length, run };
    this.#nodes.push(node);
    this.#up(node.position, node);
    return node;
  }

  remove(node: HeapNode): void {
    const last = this.#nodes.pop() as HeapNode;
    if (last !== node) {
      this.#down(node.position, last);
      this.#up(last.position, last);
    }
    node.run = undefined;
  }

  takeDue(now: number): (() => void) | undefined {
    const [first] = this.#nodes;
    if (!first || first.due > now) return undefined;
    const { run } = first;
    this.remove(first);
    return run;
  }

  #up(position: number, node: HeapNode): void {
    const nodes = this.#nodes;
    while (position > 0) {
      const parent = (position - 1) >> 1;
      const other = nodes[parent] as HeapNode;
      if (!isBefore(node, other)) break;
      nodes[position] = other;
      other.position = position;
      position = parent;
    }
    nodes[position] = node;
    node.position = position;
  }

  #down(position: number, node: HeapNode): void {
    const nodes = this.#nodes;
    for (;;) {
      let child = position * 2 + 1;
      if (child >= nodes.length) break;
      if (child + 1 < nodes.length && isBefore(nodes[child + 1] as HeapNode, nodes[child] as HeapNode))
        child++;
      const other = nodes[child] as HeapNode;
      if (!isBefore(other, node)) break;
      nodes[position] = other;
      other.position = position;
      position = child;
    }
    nodes[position] = node;
    node.position = position;
  }
}

function isBefore(a: HeapNode, b: HeapNode): boolean {
  return a.due < b.due || (a.due === b.due && a.sequence < b.sequence);
}

if (import.meta.main) {
  const [name, format] = process.argv.slice(2);
  const measure = name === undefined ? bench : measures[name];
  if (!measure)
    throw new Error(`there is no measure "${name}"; there are ${Object.keys(measures).join(", ")}`);
  const found = await measure();
  if (format === "--json") console.log(JSON.stringify(found));
  else
    for (const { name: what, value, unit, ratio, against } of found)
      console.log(
        `${what}: ${value.toPrecision(3)} ${unit}${ratio === undefined ? "" : `, ${ratio.toPrecision(2)} of ${against}`}`,
      );
  process.exit(0);
}
