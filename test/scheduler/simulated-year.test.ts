/**
 * A year of 1,000 jobs in twenty zones, in which the clock is set, the machine sleeps and the process dies, from a seed.
 * `AURORA_SIMULATION_SEEDS=20 bun test test/scheduler/simulated-year.test.ts` runs more years.
 */
import { expect, test } from "bun:test";

import { compileCron } from "../../src/scheduler/cron.ts";
import { type JobDefinition } from "../../src/scheduler/job-definition.ts";
import { type SchedulerEvent } from "../../src/scheduler/journal.ts";
import { Scheduler } from "../../src/scheduler/scheduler.ts";
import { stableJitter } from "../../src/scheduler/stable-jitter.ts";
import { randomFrom } from "../support/random.ts";
import { oracleZones } from "./cron-oracle.ts";
import { VirtualClock } from "./virtual-clock.ts";

const JOBS = 1000;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1, 0, 0, 30);
const END = START + 365 * DAY;

type Known = {
  definition: JobDefinition;
  /** Scheduled times that ran, and how often. */
  runs: Map<number, number>;
  missed: number;
  skipped: number;
  /** What a persistent store would know: the scheduled time of the last run or miss. */
  last: number | undefined;
  lastRunMonotonic: number;
};

function simulate(seed: number) {
  const random = randomFrom(seed);
  const below = (n: number) => Math.floor(random() * n);
  const clock = new VirtualClock(START);
  const problems: string[] = [];
  const totals = { runs: 0, retries: 0, missed: 0, crashes: 0, sets: 0, sleeps: 0, told: 0 };
  const jobs = new Map<string, Known>();
  /** No run may be later than this after its time: grows by what the process could not see. */
  let awayUntil = -Infinity;

  const problem = (text: string) => problems.length < 10 && problems.push(text);

  for (let i = 0; i < JOBS; i++) {
    const id = `job ${i}`;
    const isInterval = i % 10 === 0;
    const schedule: JobDefinition["schedule"] = isInterval
      ? { kind: "every", intervalMs: 4 * HOUR + below(20) * HOUR + below(1000) }
      : {
          kind: "cron",
          expression: cronText(below, i),
          timezone: oracleZones[below(oracleZones.length)] as string,
        };
    const jitterMs = below(3) === 0 ? below(10 * MINUTE) : 0;
    const known: Known = {
      definition: {
        id,
        schedule,
        jitterMs,
        tags: below(4) === 0 ? { cpu: 1 + below(2) } : {},
        priority: below(4),
        retry: { limit: 2 },
        run({ scheduledAt, attempt }) {
          totals.runs++;
          if (attempt > 1) totals.retries++;
          const early = scheduledAt + (isInterval ? 0 : stableJitter(id, jitterMs)) - clock.wallMs();
          // A retry may be, where the clock was set back after the first try.
          if (attempt === 1 && early > (isInterval ? 1 : 0)) problem(`${id} runs ${early} ms early`);
          if (attempt === 1) {
            known.runs.set(scheduledAt, (known.runs.get(scheduledAt) ?? 0) + 1);
            const late = clock.wallMs() - scheduledAt - stableJitter(id, jitterMs);
            if (!isInterval && late > 31 * SECOND && clock.monotonicMs() > awayUntil)
              problem(`${id} of ${new Date(scheduledAt).toISOString()} is ${late} ms late`);
            const since = clock.monotonicMs() - known.lastRunMonotonic;
            if (
              isInterval &&
              since < (schedule as { intervalMs: number }).intervalMs - 30 * MINUTE &&
              totals.crashes === 0
            )
              problem(`${id} runs again after ${since} ms`);
            known.lastRunMonotonic = clock.monotonicMs();
          }
          if (below(50) === 0) throw new Error("once in a while");
        },
      },
      runs: new Map(),
      missed: 0,
      skipped: 0,
      last: undefined,
      lastRunMonotonic: -Infinity,
    };
    jobs.set(id, known);
  }

  const onEvent = (event: SchedulerEvent) => {
    if (event.kind === "clock-changed") totals.told++;
    if (event.kind === "started") {
      const known = jobs.get(event.jobId) as Known;
      known.last = Math.max(known.last ?? 0, event.scheduledAt);
    }
    if (event.kind !== "recorded") return;
    const known = jobs.get(event.record.jobId) as Known;
    if (event.record.outcome === "missed") {
      known.missed += event.record.count;
      totals.missed += event.record.count;
    } else if (event.record.outcome === "skipped") known.skipped++;
  };

  const boot = () => {
    const scheduler = new Scheduler({ clock, random, onEvent, capacities: { cpu: 3 } });
    for (const { definition, last } of jobs.values()) {
      const isCron = definition.schedule.kind === "cron";
      const lastScheduledMs = last ?? (isCron ? START : undefined);
      scheduler.add(lastScheduledMs === undefined ? definition : { ...definition, lastScheduledMs });
    }
  };

  boot();
  while (clock.wallMs() < END) {
    clock.advance(below(6 * DAY) + below(DAY));
    const kind = below(10);
    awayUntil = clock.monotonicMs() + 10 * MINUTE + 60 * SECOND;
    if (kind < 3) {
      totals.sets++;
      clock.setBack(below(4 * HOUR) - 2 * HOUR);
    } else if (kind < 6) {
      totals.sleeps++;
      clock.suspend(below(3 * DAY));
    } else if (kind < 8) {
      totals.crashes++;
      clock.crash();
      clock.advance(below(DAY));
      awayUntil = clock.monotonicMs() + 10 * MINUTE + 60 * SECOND;
      boot();
    }
  }
  // Longer than the clock was ever set back: whatever has run by then is in the past.
  clock.advance(24 * HOUR);

  const now = clock.wallMs();
  for (const [id, { definition, runs, missed, skipped }] of jobs) {
    for (const [at, count] of runs)
      if (count > 1 && definition.schedule.kind === "cron") problem(`${id} of ${at} ran ${count} times`);
    if (definition.schedule.kind !== "cron") continue;
    const { expression, timezone } = definition.schedule;
    const jitterMs = stableJitter(id, definition.jitterMs ?? 0);
    const cron = compileCron(expression, timezone);
    let unaccounted = -missed - skipped;
    for (let at = cron.next(START); at !== undefined && at <= now - jitterMs; at = cron.next(at))
      if (!runs.delete(at)) unaccounted++;
    if (unaccounted !== 0) problem(`${id}: ${unaccounted} times neither ran nor were recorded`);
    for (const at of runs.keys()) problem(`${id} ran at ${at}, which is no time of it`);
  }
  return { problems, totals };
}

/** A few run every hour, most once or a few times a day, with a liking for the hours in which clocks change. */
function cronText(below: (n: number) => number, i: number): string {
  const minute = below(60);
  if (i % 100 === 1) return `${minute} * * * *`;
  if (i % 100 === 2) return `*/30 1-3 * * *`;
  const hour = below(2) === 0 ? below(4) : below(24);
  const days = ["* * *", "* * *", "* * 1-5", "1,15 * *", "* * sun", "* 3,10 *", "1 1 *"][below(7)];
  return `${minute} ${hour} ${days}`;
}

const seeds = Array.from({ length: Number(Bun.env["AURORA_SIMULATION_SEEDS"] ?? 1) }, (_, i) => i + 1);
test.each(seeds)(
  "seed %i: none early, none lost, none twice",
  (seed) => {
    const { problems, totals } = simulate(seed);
    expect(problems).toEqual([]);
    for (const count of Object.values(totals)) expect(count).toBeGreaterThan(0);
  },
  180_000,
);
