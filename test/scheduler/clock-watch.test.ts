/** What happens to jobs when somebody sets the clock, or the machine sleeps. */
import { describe, expect, test } from "bun:test";

import { CLOCK_CHECK_MS, CLOCK_RESET_MS } from "../../src/scheduler/clock-watch.ts";
import { systemClock } from "../../src/scheduler/clock.ts";
import { type JobDefinition } from "../../src/scheduler/job-definition.ts";
import { type SchedulerEvent } from "../../src/scheduler/journal.ts";
import { Scheduler } from "../../src/scheduler/scheduler.ts";
import { VirtualClock } from "./virtual-clock.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOON = Date.UTC(2026, 0, 1, 12);

function setUp() {
  const clock = new VirtualClock(NOON);
  const events: SchedulerEvent[] = [];
  const scheduler = new Scheduler({ clock, onEvent: (event) => events.push(event) });
  /** Moments of the runs on both clocks, in seconds from noon. */
  const log: string[] = [];
  const add = (id: string, schedule: JobDefinition["schedule"], rest: Partial<JobDefinition> = {}) =>
    scheduler.add({
      id,
      schedule,
      run: () => log.push(`${id} ${(clock.wallMs() - NOON) / 1000} ${clock.monotonicMs() / 1000}`),
      ...rest,
    });
  const cron = (expression: string) => ({ kind: "cron", expression, timezone: "UTC" }) as const;
  const changes = () => events.flatMap((event) => (event.kind === "clock-changed" ? [event.change] : []));
  const missed = () =>
    events.flatMap((event) =>
      event.kind === "recorded" && event.record.outcome === "missed" ? [event.record.count] : [],
    );
  return { clock, scheduler, log, add, cron, changes, missed };
}

describe("the clock is set", () => {
  test("forward over the time: noticed within 30 s, one run, the others recorded as missed", () => {
    const { clock, log, add, cron, changes, missed } = setUp();
    add("job", cron("* * * * *"));
    clock.advance(10_000);
    clock.setBack(-10.5 * MINUTE);
    clock.advance(CLOCK_CHECK_MS);
    expect(log.length).toBe(1);
    expect(Number(log[0]?.split(" ")[2])).toBeLessThanOrEqual(40);
    expect(missed()).toEqual([10]);
    expect(changes()).toEqual([{ kind: "set", byMs: 10.5 * MINUTE }]);
  });

  test("forward, not yet over the time: never early, and at the right moment of the new time", () => {
    const { clock, log, add } = setUp();
    add("job", { kind: "at", atMs: NOON + 10 * MINUTE });
    clock.advance(10_000);
    clock.setBack(-5 * MINUTE);
    clock.advance(10 * MINUTE);
    expect(log).toEqual(["job 600 300"]);
  });

  test("back: not early, not twice", () => {
    const { clock, log, add, cron } = setUp();
    add("cron", cron("* * * * *"));
    add("at", { kind: "at", atMs: NOON + 5 * MINUTE });
    clock.advance(MINUTE + 10_000);
    clock.setBack(2 * MINUTE);
    clock.advance(10 * MINUTE);
    expect(log.slice(0, 2)).toEqual(["cron 60 60", "cron 120 240"]);
    expect(log).toContain("at 300 420");
    expect(new Set(log.map((line) => line.split(" ").slice(0, 2).join(" "))).size).toBe(log.length);
  });

  test("back by seconds shortly before the time: not early", () => {
    const { clock, log, add } = setUp();
    add("job", { kind: "at", atMs: NOON + MINUTE });
    clock.advance(MINUTE - 500);
    clock.setBack(10);
    clock.advance(5000);
    expect(log).toEqual(["job 60 60.01"]);
  });

  test("back by more than three hours: the clock was wrong, and cron goes by the new time", () => {
    const { clock, log, add, cron } = setUp();
    add("job", cron("0 * * * *"));
    clock.setBack(-365 * 24 * HOUR);
    clock.advance(HOUR);
    log.length = 0;
    clock.setBack(365 * 24 * HOUR);
    clock.advance(3 * HOUR);
    expect(log.map((line) => line.split(" ")[1])).toEqual(["7200", "10800", "14400"]);
    expect(CLOCK_RESET_MS).toBe(3 * HOUR);
  });

  test("delays and intervals do not care", () => {
    const { clock, log, add } = setUp();
    add("after", { kind: "after", delayMs: 90_000 });
    add("every", { kind: "every", intervalMs: 40_000 }, { count: 3 });
    clock.advance(50_000);
    clock.setBack(5 * HOUR);
    clock.advance(20_000);
    clock.setBack(-50 * HOUR);
    clock.advance(60_000);
    expect(log.map((line) => line.replace(/ .* /, " "))).toEqual([
      "every 40",
      "every 80",
      "after 90",
      "every 120",
    ]);
  });
});

describe("the machine sleeps", () => {
  test("what was missed runs once, within 30 s of waking up, and the rest is on time", () => {
    const { clock, log, add, cron, changes, missed } = setUp();
    add("job", cron("*/10 * * * *"));
    clock.advance(MINUTE);
    clock.suspend(8 * HOUR);
    clock.advance(12 * MINUTE);
    expect(log.length).toBe(2);
    expect(Number(log[0]?.split(" ")[2])).toBeLessThanOrEqual(90);
    expect(log[1]).toBe("job 29400 600");
    expect(missed()).toEqual([47]);
    expect(changes()).toEqual([{ kind: "suspended", byMs: 8 * HOUR }]);
  });

  test("skip: what is long past is recorded, and does not run", () => {
    const { clock, log, add, missed } = setUp();
    add("job", { kind: "at", atMs: NOON + HOUR }, { misfire: "skip" });
    clock.suspend(8 * HOUR);
    clock.advance(MINUTE);
    expect([log, missed()]).toEqual([[], [1]]);
  });

  test("all: the last of them run, as many as allowed", () => {
    const { clock, log, add, cron, missed } = setUp();
    add("job", cron("0 * * * *"), { misfire: { all: 3 }, overlap: "queue" });
    clock.suspend(8 * HOUR + MINUTE);
    clock.advance(MINUTE);
    expect([log.length, missed()]).toEqual([3, [5]]);
  });
});

test("a gently slewed clock is followed without a word", () => {
  const { clock, log, add, cron, changes } = setUp();
  add("job", cron("* * * * *"));
  let early = 0;
  for (let i = 0; i < 1200; i++) {
    clock.advance(500);
    clock.setBack(i % 100 < 50 ? 1 : -1);
    if (log.some((line) => Number(line.split(" ")[1]) % 60 > 1)) early++;
  }
  expect([changes(), early, log.length]).toEqual([[], 0, 9]);
});

test("nothing wakes up where no job follows the wall clock", () => {
  const { clock, scheduler } = setUp();
  scheduler.after(24 * HOUR, () => {});
  const before = clock.turns;
  clock.advance(23 * HOUR);
  expect(clock.turns - before).toBe(0);
});

test("the system's clocks: whole wall milliseconds, a monotonic clock that goes on, and boot time", () => {
  const clock = systemClock();
  const before = clock.monotonicMs();
  expect(Number.isInteger(clock.wallMs())).toBe(true);
  expect(clock.monotonicMs()).toBeGreaterThanOrEqual(before);
  expect(clock.bootMs()).toBeGreaterThan(0);
});
