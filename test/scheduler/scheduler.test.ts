import { describe, expect, test } from "bun:test";

import { type JobDefinition, MAX_ID_LENGTH } from "../../src/scheduler/job-definition.ts";
import { HISTORY_LIMIT, type RunRecord } from "../../src/scheduler/job.ts";
import { FAILURE_LIMIT, type SchedulerEvent } from "../../src/scheduler/journal.ts";
import { MAX_QUEUED_RUNS } from "../../src/scheduler/overlap.ts";
import { HELD_FROM_MS } from "../../src/scheduler/runner.ts";
import { ABORT_GRACE_MS, Scheduler, type SchedulerOptions } from "../../src/scheduler/scheduler.ts";
import { type TaskContext } from "../../src/scheduler/task-context.ts";
import { MAX_DELAY_MS } from "../../src/scheduler/timer-loop.ts";
import { VirtualClock } from "./virtual-clock.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1);

function setUp(options: SchedulerOptions = {}) {
  const clock = new VirtualClock(START);
  const events: SchedulerEvent[] = [];
  const scheduler = new Scheduler({
    clock,
    random: () => 0.5,
    onEvent: (event) => events.push(event),
    ...options,
  });
  const log: string[] = [];
  const at = () => (clock.wallMs() - START) / 1000;
  const records = (): RunRecord[] =>
    events.flatMap((event) => (event.kind === "recorded" ? [event.record] : []));
  const outcomes = () => records().map(({ jobId, outcome }) => `${jobId} ${outcome}`);
  const every = (id: string, intervalMs: number, rest: Partial<JobDefinition> = {}): JobDefinition => ({
    id,
    schedule: { kind: "every", intervalMs },
    run: () => void log.push(`${id} ${at()}`),
    ...rest,
  });
  return { clock, scheduler, events, log, at, records, outcomes, every };
}

/** A function that runs until it is let go, and ends at once when it is told to stop. */
function endless() {
  const started: TaskContext[] = [];
  const release: (() => void)[] = [];
  const run = (context: TaskContext) => {
    started.push(context);
    return new Promise<void>((resolve, reject) => {
      release.push(resolve);
      context.signal.addEventListener("abort", () => reject(context.signal.reason as Error));
    });
  };
  return { run, started, release };
}

describe("plain tasks", () => {
  test("run in the order of their times, and of calls among equal ones", () => {
    const { clock, scheduler, log } = setUp();
    scheduler.after(20, () => log.push("late"));
    scheduler.after(10, () => log.push("a"));
    scheduler.after(10, () => log.push("b"));
    scheduler.after(0, () => log.push("now"));
    clock.advance(9);
    expect(log).toEqual(["now"]);
    clock.advance(11);
    expect(log).toEqual(["now", "a", "b", "late"]);
    expect(clock.timers).toBe(0);
  });

  test("never run early, whatever fraction of a millisecond it is", () => {
    const { clock, scheduler } = setUp();
    const early: number[] = [];
    for (let i = 0; i < 500; i++) {
      const due = clock.monotonicMs() + i / 7;
      scheduler.after(i / 7, () => void (clock.monotonicMs() < due && early.push(i)));
      clock.advance(0.3);
    }
    clock.advance(100);
    expect(early).toEqual([]);
  });

  test.each([2 ** 31 + 5, 40 * DAY, 3 * 366 * DAY])("a delay of %i ms works", (delayMs) => {
    const { clock, scheduler, log } = setUp();
    scheduler.after(delayMs, () => log.push("run"));
    clock.advance(delayMs - 1);
    expect(log).toEqual([]);
    clock.advance(1);
    expect(log).toEqual(["run"]);
  });

  test.each([-1, Number.NaN, Infinity, MAX_DELAY_MS + 1])("a delay of %d is refused", (delayMs) => {
    expect(() => setUp().scheduler.after(delayMs, () => {})).toThrow("a delay is from 0 to 2^45 ms");
  });

  test("can be cancelled once, before they run", () => {
    const { clock, scheduler, log } = setUp();
    const task = scheduler.after(5, () => log.push("run"));
    const other = scheduler.after(5, () => log.push("other"));
    expect([scheduler.cancel(task), scheduler.cancel(task), task.state]).toEqual([true, false, "cancelled"]);
    clock.advance(10);
    expect([log, scheduler.cancel(other), other.state]).toEqual([["other"], false, "done"]);
  });

  test("that run can be told to stop", async () => {
    const { clock, scheduler } = setUp();
    const { run, started } = endless();
    const task = scheduler.after(1, run);
    await clock.advanceAsync(1);
    expect([task.state, scheduler.cancel(task), started[0]?.signal.aborted]).toEqual(["running", true, true]);
    await clock.advanceAsync(1);
    expect(task.state).toBe("done");
  });

  test("get their scheduled time and a signal that is made when it is looked at", () => {
    const { clock, scheduler, log } = setUp();
    scheduler.after(1500, ({ scheduledAt, attempt, signal }) =>
      log.push(`${scheduledAt - START} ${attempt} ${signal.aborted}`),
    );
    clock.advance(2000);
    expect(log).toEqual(["1500 1 false"]);
  });

  test("that throw, or reject, are kept as failures, and the next one runs", async () => {
    const { clock, scheduler, events, log } = setUp();
    scheduler.after(1, () => {
      throw new Error("thrown");
    });
    scheduler.after(1, async () => {
      throw new Error("rejected");
    });
    scheduler.after(2, () => log.push("goes on"));
    await clock.advanceAsync(5);
    expect(scheduler.failures.map(({ error }) => (error as Error).message)).toEqual(["thrown", "rejected"]);
    expect(events.map(({ kind }) => kind)).toEqual(["task-failed", "task-failed"]);
    expect(log).toEqual(["goes on"]);
  });

  test(`at most ${FAILURE_LIMIT} failures are kept`, () => {
    const { clock, scheduler } = setUp();
    for (let i = 0; i <= FAILURE_LIMIT; i++)
      scheduler.after(i, () => {
        throw new Error(`${i}`);
      });
    clock.advance(FAILURE_LIMIT + 1);
    expect([scheduler.failures.length, String(scheduler.failures[0]?.error)]).toEqual([
      FAILURE_LIMIT,
      "Error: 1",
    ]);
  });

  test("a listener that throws stops nothing, and is kept among the failures", () => {
    const { clock, scheduler, log, every } = setUp({
      onEvent: () => {
        throw new Error("listener");
      },
    });
    scheduler.add(every("a", 1000));
    clock.advance(2000);
    expect(log).toEqual(["a 1", "a 2"]);
    expect(String(scheduler.failures[0]?.error)).toBe("Error: listener");
  });
});

describe("slices", () => {
  test("100,000 tasks of 0.1 ms that are due at once hold the loop for less than 6 ms at a time", () => {
    const { clock, scheduler } = setUp();
    let ran = 0;
    let longest = 0;
    let turn = { number: -1, begin: 0 };
    for (let i = 0; i < 100_000; i++)
      scheduler.after(5_000_000, () => {
        if (turn.number !== clock.turns) turn = { number: clock.turns, begin: clock.monotonicMs() };
        clock.spend(0.1);
        longest = Math.max(longest, clock.monotonicMs() - turn.begin);
        ran++;
      });
    clock.advance(6_000_000);
    expect(ran).toBe(100_000);
    expect(longest).toBeLessThan(6);
  });

  test("a task that takes long ends the slice", () => {
    const { clock, scheduler } = setUp();
    const turns: number[] = [];
    for (let i = 0; i < 4; i++)
      scheduler.after(1, () => {
        clock.spend(7);
        turns.push(clock.turns);
      });
    clock.advance(100);
    expect(new Set(turns).size).toBe(4);
  });

  test("jobs that wait for a slot get their turn while plain tasks fill every slice", () => {
    const { clock, scheduler, log, every } = setUp();
    let left = 1000;
    const fill = () => {
      clock.spend(1);
      if (--left > 0) scheduler.after(0, fill);
    };
    scheduler.after(0, fill);
    scheduler.after(0, fill);
    scheduler.add(every("job", 10));
    clock.advance(100);
    expect(log.length).toBeGreaterThan(3);
  });

  test("yield lets other work go on, and rejects once the run is to stop", async () => {
    const { clock, scheduler, log } = setUp();
    const task = scheduler.after(1, async (context) => {
      for (let i = 0; ; i++) {
        log.push(`step ${i}`);
        clock.spend(0.5);
        await context.yield();
      }
    });
    scheduler.after(1, () => log.push("other"));
    await clock.advanceAsync(2);
    scheduler.cancel(task);
    await clock.advanceAsync(1);
    expect(log.slice(0, 3)).toEqual(["step 0", "other", "step 1"]);
    expect([task.state, String(scheduler.failures[0]?.error)]).toEqual([
      "done",
      "AuroraError: the task was cancelled",
    ]);
  });

  test(`a job that holds the loop for ${HELD_FROM_MS} ms is told`, () => {
    const { clock, scheduler, events, every } = setUp();
    scheduler.add(every("slow", 1000, { run: () => clock.spend(HELD_FROM_MS) }));
    scheduler.add(every("quick", 1000, { run: () => clock.spend(HELD_FROM_MS - 1) }));
    clock.advance(1500);
    expect(events.filter(({ kind }) => kind === "held")).toEqual([
      { kind: "held", jobId: "slow", heldMs: HELD_FROM_MS },
    ]);
  });
});

describe("kinds", () => {
  test("after and at run once, and are over then", () => {
    const { clock, scheduler, log, at, events } = setUp();
    scheduler.add({ id: "a", schedule: { kind: "after", delayMs: 1500 }, run: () => log.push(`a ${at()}`) });
    scheduler.add({
      id: "b",
      schedule: { kind: "at", atMs: START + 1200 },
      run: () => log.push(`b ${at()}`),
    });
    clock.advance(5000);
    expect(log).toEqual(["b 1.2", "a 1.5"]);
    expect(events.filter(({ kind }) => kind === "over").length).toBe(2);
    expect(scheduler.jobIds).toEqual([]);
  });

  test("every: a fixed rate keeps its distance, however long a run takes", () => {
    const { clock, scheduler, log, every, at } = setUp();
    scheduler.add(
      every("a", 1000, {
        run: () => {
          log.push(`a ${at()}`);
          clock.spend(300);
        },
      }),
    );
    clock.advance(3500);
    expect(log).toEqual(["a 1", "a 2", "a 3"]);
  });

  test("every: a fixed delay counts from the end of a run", async () => {
    const { clock, scheduler, log, at } = setUp();
    scheduler.add({
      id: "a",
      schedule: { kind: "every", intervalMs: 1000, mode: "fixed-delay" },
      run: async () => {
        log.push(`a ${at()}`);
        await new Promise<void>((resolve) => void scheduler.after(300, () => resolve()));
      },
    });
    await clock.advanceAsync(4000);
    expect(log).toEqual(["a 1", "a 2.3", "a 3.6"]);
  });

  test("every: a first time says where the grid lies, also when it is past", () => {
    const { clock, scheduler, log, every } = setUp();
    scheduler.add(every("past", 1000, { firstMs: START - 10_300 }));
    scheduler.add(every("later", 1000, { firstMs: START + 1500 }));
    clock.advance(3000);
    expect(log).toEqual(["past 0.7", "later 1.5", "past 1.7", "later 2.5", "past 2.7"]);
  });

  test("cron in a time zone", () => {
    const { clock, scheduler, log, at } = setUp();
    const schedule = { kind: "cron", expression: "0 3 * * *", timezone: "Europe/Berlin" } as const;
    scheduler.add({ id: "a", schedule, run: () => log.push(`a ${at() / 3600}`) });
    clock.advance(2 * DAY);
    expect(log).toEqual(["a 2", "a 26"]);
  });

  test("count, first and end bound the runs", () => {
    const { clock, scheduler, log, every } = setUp();
    scheduler.add(every("two", 1000, { count: 2 }));
    scheduler.add(every("end", 1000, { firstMs: START + 2000, endMs: START + 3000 }));
    const cron = { kind: "cron", expression: "* * * * * *", timezone: "UTC" } as const;
    scheduler.add(every("cron", 1, { schedule: cron, firstMs: START + 4000, endMs: START + 5000 }));
    clock.advance(10_000);
    expect(log).toEqual(["two 1", "end 2", "two 2", "end 3", "cron 4", "cron 5"]);
    expect(scheduler.jobIds).toEqual([]);
  });

  test("jitter is the same for one id at every run, and below its bound", () => {
    const offsets = ["a", "b", "c"].map((id) => {
      const { clock, scheduler, log } = setUp();
      const schedule = { kind: "cron", expression: "* * * * *", timezone: "UTC" } as const;
      scheduler.add({
        id,
        schedule,
        jitterMs: 30_000,
        run: () => log.push(String((clock.wallMs() - START) % MINUTE)),
      });
      clock.advance(5 * MINUTE);
      expect(new Set(log).size).toBe(1);
      return Number(log[0]);
    });
    expect(new Set(offsets).size).toBe(3);
    for (const offset of offsets) expect(offset).toBeLessThan(30_000);
  });

  test("what was missed since the last known run is noticed at the start", () => {
    const { clock, scheduler, log, outcomes, every } = setUp();
    scheduler.add(every("rate", HOUR, { lastScheduledMs: START - 3.5 * HOUR }));
    const schedule = { kind: "cron", expression: "0 * * * *", timezone: "UTC" } as const;
    scheduler.add(every("cron", 1, { schedule, lastScheduledMs: START - 2 * HOUR }));
    scheduler.add(
      every("at", 1, { schedule: { kind: "at", atMs: START - 10 }, lastScheduledMs: START - 10 }),
    );
    clock.advance(10);
    expect(log).toEqual(["rate 0.001", "cron 0.001"]);
    expect(outcomes()).toContain("rate missed");
    expect(outcomes()).toContain("cron missed");
    clock.advance(HOUR);
    expect(log.length).toBe(4);
  });
});

describe("overlap", () => {
  test("skip: one at a time, and what is skipped is recorded", async () => {
    const { clock, scheduler, outcomes, every } = setUp();
    const { run, started, release } = endless();
    scheduler.add(every("a", 1000, { run }));
    await clock.advanceAsync(3500);
    expect([started.length, outcomes()]).toEqual([1, ["a skipped", "a skipped"]]);
    release[0]?.();
    await clock.advanceAsync(1000);
    expect(started.length).toBe(2);
  });

  test("queue: each waits for the one before it", async () => {
    const { clock, scheduler, every } = setUp();
    const { run, started, release } = endless();
    scheduler.add(every("a", 1000, { run, overlap: "queue", count: 3 }));
    await clock.advanceAsync(3500);
    expect(started.length).toBe(1);
    release[0]?.();
    await clock.advanceAsync(1);
    release[1]?.();
    await clock.advanceAsync(1);
    expect(started.map(({ scheduledAt }) => scheduledAt - START)).toEqual([1000, 2000, 3000]);
  });

  test(`queue: at most ${MAX_QUEUED_RUNS} wait`, async () => {
    const { clock, scheduler, outcomes, every } = setUp();
    scheduler.add(every("a", 1000, { run: endless().run, overlap: "queue" }));
    await clock.advanceAsync((MAX_QUEUED_RUNS + 3) * 1000);
    expect(outcomes()).toEqual(["a skipped", "a skipped"]);
  });

  test("allow: so many at once", async () => {
    const { clock, scheduler, outcomes, every } = setUp();
    const { run, started } = endless();
    scheduler.add(every("a", 1000, { run, overlap: { allow: 2 } }));
    await clock.advanceAsync(3500);
    expect([started.length, outcomes()]).toEqual([2, ["a skipped"]]);
  });

  test("replace: the old one is told to stop, and the new one starts when it has", async () => {
    const { clock, scheduler, outcomes, every } = setUp();
    let running = 0;
    let most = 0;
    const run = async ({ signal }: TaskContext) => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => void scheduler.after(100, () => resolve())),
      );
      running--;
    };
    scheduler.add(every("a", 1000, { run, overlap: "replace" }));
    await clock.advanceAsync(3500);
    expect([outcomes(), most, running]).toEqual([["a replaced", "a replaced"], 1, 1]);
  });
});

describe("timeout and retries", () => {
  test("a run that takes too long is told to stop, and recorded as timed out", async () => {
    const { clock, scheduler, records, every } = setUp();
    const { run, started } = endless();
    scheduler.add(every("a", 1000, { run, timeoutMs: 200, count: 1 }));
    await clock.advanceAsync(1500);
    expect(started[0]?.signal.aborted).toBe(true);
    expect(records()).toEqual([
      {
        jobId: "a",
        scheduledAt: START + 1000,
        attempt: 1,
        outcome: "timed-out",
        startedAt: START + 1000,
        durationMs: 200,
        error: expect.objectContaining({ code: "timed-out", message: "the run took longer than 200 ms" }),
        count: 1,
        lastDueAt: START + 1000,
      },
    ]);
  });

  test("retries wait longer each time, up to a bound, with the same scheduled time", async () => {
    const { clock, scheduler, log, at, every, outcomes } = setUp();
    const run = ({ attempt, scheduledAt }: TaskContext) => {
      log.push(`${attempt} ${at()} ${scheduledAt - START}`);
      if (attempt < 5) throw new Error("again");
    };
    scheduler.add(every("a", 100_000, { run, count: 1, retry: { limit: 4, baseMs: 1000, maxMs: 4000 } }));
    await clock.advanceAsync(120_000);
    // Half of each delay is random, and random is 0.5: three quarters of 1, 2, 4 and again 4 s.
    expect(log).toEqual([
      "1 100 100000",
      "2 100.75 100000",
      "3 102.25 100000",
      "4 105.25 100000",
      "5 108.25 100000",
    ]);
    expect(outcomes()).toEqual(["a failed", "a failed", "a failed", "a failed", "a succeeded"]);
    expect(scheduler.jobIds).toEqual([]);
  });

  test("after the last try it is over", async () => {
    const { clock, scheduler, outcomes, every } = setUp();
    const run = async () => {
      throw new Error("no");
    };
    scheduler.add(every("a", 1000, { run, count: 1, retry: { limit: 1 } }));
    await clock.advanceAsync(10_000);
    expect(outcomes()).toEqual(["a failed", "a failed"]);
  });

  test(`the last ${HISTORY_LIMIT} records of a job are kept`, () => {
    const { clock, scheduler, every } = setUp();
    scheduler.add(every("a", 1000));
    clock.advance((HISTORY_LIMIT + 5) * 1000);
    const history = scheduler.history("a");
    expect([history.length, history.at(-1)?.scheduledAt]).toEqual([
      HISTORY_LIMIT,
      START + (HISTORY_LIMIT + 5) * 1000,
    ]);
  });
});

describe("pause and resume", () => {
  test("of everything: nothing starts, and what was due is late then", async () => {
    const { clock, scheduler, log, every, outcomes } = setUp();
    scheduler.add(every("a", 1000));
    scheduler.after(2500, () => log.push("task"));
    await clock.advanceAsync(1500);
    scheduler.pause();
    await clock.advanceAsync(3000);
    expect(log).toEqual(["a 1"]);
    scheduler.resume();
    await clock.advanceAsync(600);
    expect(log.toSorted()).toEqual(["a 1", "a 4.5", "a 5", "task"]);
    expect(outcomes()).toContain("a missed");
  });

  test("of a job", () => {
    const { clock, scheduler, log, every } = setUp();
    scheduler.add(every("a", 1000));
    scheduler.add(every("b", 1000));
    scheduler.pause({ job: "a" });
    clock.advance(2500);
    scheduler.resume({ job: "a" });
    clock.advance(1000);
    expect(log).toEqual(["b 1", "b 2", "a 2.5", "b 3", "a 3"]);
  });

  test("of a tag", () => {
    const { clock, scheduler, log, every } = setUp();
    scheduler.add(every("a", 1000, { tags: { disk: 1 } }));
    scheduler.add(every("b", 1000));
    scheduler.pause({ tag: "disk" });
    clock.advance(2500);
    expect(scheduler.whyNotRunning("a").reason).toBe('the tag "disk" is paused');
    scheduler.resume({ tag: "disk" });
    clock.advance(600);
    expect(log).toEqual(["b 1", "b 2", "a 2.5", "a 3", "b 3"]);
  });

  test("a run of a paused job that waits for resources is held back", async () => {
    const { clock, scheduler, every } = setUp({ capacities: { cpu: 1 } });
    const first = endless();
    const second = endless();
    scheduler.add(every("first", 1000, { run: first.run, tags: { cpu: 1 }, count: 1 }));
    scheduler.add(every("second", 1000, { run: second.run, tags: { cpu: 1 }, count: 1 }));
    await clock.advanceAsync(1500);
    scheduler.pause({ job: "second" });
    first.release[0]?.();
    await clock.advanceAsync(1000);
    expect(second.started.length).toBe(0);
    scheduler.resume({ job: "second" });
    await clock.advanceAsync(1);
    expect(second.started.length).toBe(1);
  });
});

describe("resources", () => {
  test("capacities hold, over several tags", async () => {
    const { clock, scheduler, every } = setUp({ capacities: { gpu: 1, cpu: 3 } });
    const jobs = ["a", "b", "c"].map((id) => {
      const job = endless();
      const tags = id === "b" ? { gpu: 1, cpu: 1 } : { cpu: 2 };
      scheduler.add(every(id, 1000, { run: job.run, tags }));
      return job;
    });
    await clock.advanceAsync(1500);
    expect(jobs.map(({ started }) => started.length)).toEqual([1, 1, 0]);
    expect(scheduler.whyNotRunning("c")).toEqual({
      state: "waiting",
      reason: 'it needs 2 of "cpu", and 3 of 3 are in use',
      atMs: undefined,
    });
    jobs[0]?.release[0]?.();
    await clock.advanceAsync(1);
    expect(jobs.map(({ started }) => started.length)).toEqual([1, 1, 1]);
  });

  test("what can never fit is refused", () => {
    const { scheduler, every } = setUp({ capacities: { gpu: 1 } });
    expect(() => scheduler.add(every("a", 1000, { tags: { gpu: 2 } }))).toThrow(
      'cannot schedule the job "a": it needs 2 of "gpu", and there is 1',
    );
  });

  test("a capacity can change", async () => {
    const { clock, scheduler, every } = setUp({ capacities: { gpu: 1 } });
    const { run, started } = endless();
    scheduler.add(every("a", 1000, { run, tags: { gpu: 1 }, overlap: { allow: 3 } }));
    await clock.advanceAsync(3500);
    expect(started.length).toBe(1);
    scheduler.setCapacity("gpu", 3);
    await clock.advanceAsync(1);
    expect(started.length).toBe(3);
  });
});

describe("jobs by name", () => {
  test("add refuses an id that is in use, and remove frees it", () => {
    const { scheduler, every } = setUp();
    scheduler.add(every("a", 1000));
    expect(() => scheduler.add(every("a", 1000))).toThrow(expect.objectContaining({ code: "exists" }));
    expect([scheduler.remove("a"), scheduler.remove("a")]).toEqual([true, false]);
    scheduler.add(every("a", 1000));
  });

  test("remove tells the running one to stop, and cancels what waits", async () => {
    const { clock, scheduler, outcomes, every } = setUp();
    const { run, started } = endless();
    scheduler.add(every("a", 1000, { run, overlap: "queue" }));
    await clock.advanceAsync(2500);
    scheduler.remove("a");
    await clock.advanceAsync(5000);
    expect([started.length, outcomes().toSorted()]).toEqual([1, ["a cancelled", "a cancelled"]]);
  });

  test("runNow runs besides the schedule", () => {
    const { clock, scheduler, log, every } = setUp();
    scheduler.add(every("a", 1000));
    expect(scheduler.runNow("a")).toBe("start");
    clock.advance(1500);
    expect(log).toEqual(["a 0", "a 1"]);
    expect(() => scheduler.runNow("b")).toThrow(expect.objectContaining({ code: "not-found" }));
  });

  test("next tells the runs to come, in order, without those of paused jobs", () => {
    const { scheduler, every } = setUp();
    scheduler.add(every("a", 1000));
    scheduler.add(every("b", 1500, { count: 1 }));
    scheduler.add(every("c", 10));
    scheduler.pause({ job: "c" });
    expect(scheduler.next(4).map(({ jobId, atMs }) => `${jobId} ${atMs - START}`)).toEqual([
      "a 1000",
      "b 1500",
      "a 2000",
      "a 3000",
    ]);
  });

  test("whyNotRunning", async () => {
    const { clock, scheduler, every } = setUp();
    const { run } = endless();
    scheduler.add(every("a", 1000, { run }));
    scheduler.add(
      every("b", 1000, { run: () => Promise.reject(new Error("no")), retry: { limit: 1, baseMs: 8000 } }),
    );
    expect(scheduler.whyNotRunning("a")).toEqual({
      state: "scheduled",
      reason: "its time has not come",
      atMs: START + 1000,
    });
    await clock.advanceAsync(1500);
    expect(scheduler.whyNotRunning("a")).toEqual({ state: "running", reason: "it runs", atMs: undefined });
    expect(scheduler.whyNotRunning("b")).toEqual({
      state: "retrying",
      reason: "try 1 failed, the next one is to come",
      atMs: START + 7000,
    });
    scheduler.pause({ job: "b" });
    expect(scheduler.whyNotRunning("b")).toEqual({
      state: "paused",
      reason: "the job is paused",
      atMs: undefined,
    });
    expect(scheduler.whyNotRunning("x").state).toBe("unknown");
  });
});

describe("drain", () => {
  test("lets what is due end, and drops what is not", async () => {
    const { clock, scheduler, log, every } = setUp();
    const { run, release } = endless();
    scheduler.add(every("a", 1000, { run }));
    scheduler.after(5000, () => log.push("never"));
    await clock.advanceAsync(1500);
    const drained = scheduler.drain(10_000);
    expect(() => scheduler.after(1, () => {})).toThrow("the scheduler is about to stop");
    await clock.advanceAsync(1000);
    release[0]?.();
    await clock.advanceAsync(1);
    expect(await drained).toEqual({ droppedTasks: 1, cancelled: [], aborted: [], stuck: [] });
    await clock.advanceAsync(10_000);
    expect([log, clock.timers]).toEqual([[], 0]);
  });

  test("at the deadline tells what runs to stop, and names what does not", async () => {
    const { clock, scheduler, every } = setUp({ capacities: { cpu: 2 } });
    scheduler.add(every("good", 1000, { run: endless().run, tags: { cpu: 1 } }));
    scheduler.add(every("bad", 1000, { run: () => new Promise(() => {}), tags: { cpu: 1 } }));
    scheduler.add(every("waits", 1000, { tags: { cpu: 1 } }));
    scheduler.after(100, () => new Promise(() => {}));
    await clock.advanceAsync(1500);
    const drained = scheduler.drain(3000);
    let isDrained = false;
    void drained.then(() => (isDrained = true));
    await clock.advanceAsync(3000 + ABORT_GRACE_MS - 1);
    expect(isDrained).toBe(false);
    await clock.advanceAsync(1);
    expect(await drained).toEqual({
      droppedTasks: 0,
      cancelled: ["waits"],
      aborted: ["good", "bad", "task"],
      stuck: ["bad", "task"],
    });
  });

  test("with nothing to wait for it ends at once", async () => {
    const { clock, scheduler } = setUp();
    const drained = scheduler.drain(3000);
    await clock.advanceAsync(0);
    expect((await drained).stuck).toEqual([]);
  });
});

test.each<[string, Partial<JobDefinition>]>([
  ["an id has 1 to 256 characters", { id: "" }],
  ["an id has 1 to 256 characters", { id: "a".repeat(MAX_ID_LENGTH + 1) }],
  ["0 ms is no interval", { schedule: { kind: "every", intervalMs: 0 } }],
  ["-1 ms is no delay", { schedule: { kind: "after", delayMs: -1 } }],
  ["NaN is no moment", { schedule: { kind: "at", atMs: Number.NaN } }],
  ["it cannot run 0 times", { count: 0 }],
  ["it can catch up on 1 to 1000 runs, not 1001", { misfire: { all: 1001 } }],
  ["it cannot overlap 0 times", { overlap: { allow: 0 } }],
  ["a priority is 0 to 3", { priority: 4 }],
  ['it cannot need 0 of "cpu"', { tags: { cpu: 0 } }],
  ["0 ms is no timeout", { timeoutMs: 0 }],
  ["its retries need a limit from 1 and delays from 0", { retry: { limit: 0 } }],
])("a definition is refused: %s", (message, wrong) => {
  const { scheduler, every } = setUp();
  expect(() => scheduler.add({ ...every("a", 1000), ...wrong })).toThrow(message);
});
