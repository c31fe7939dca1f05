import { describe, expect, test } from "bun:test";

import { type JobDefinition } from "../../src/scheduler/job-definition.ts";
import {
  DEFAULT_GRACE_MS,
  MAX_COUNTED_MISSES,
  type MisfirePolicy,
  takeDue,
} from "../../src/scheduler/misfire.ts";
import { timelineOf } from "../../src/scheduler/timeline.ts";

const NOW = { monotonicMs: 0, wallMs: 0 };
const timeline = (schedule: JobDefinition["schedule"], rest: Partial<JobDefinition> = {}) =>
  timelineOf({ id: "a", run: () => {}, schedule, ...rest }, NOW);
const every = timeline({ kind: "every", intervalMs: 1000 });
const cron = timeline({ kind: "cron", expression: "* * * * * *", timezone: "UTC" });
const once = timeline({ kind: "at", atMs: 5000 });

describe("takeDue", () => {
  test.each<[string, MisfirePolicy, number, ReturnType<typeof takeDue>]>([
    ["on time", "run-once", 1000, { run: [1000], missed: 0, next: 2000, last: 1000 }],
    ["on time", "skip", 1000, { run: [1000], missed: 0, next: 2000, last: 1000 }],
    ["a little late", "run-once", 1999, { run: [1000], missed: 0, next: 2000, last: 1000 }],
    ["three are late", "run-once", 3500, { run: [3000], missed: 2, next: 4000, last: 3000 }],
    [
      "three are late, the last within the grace",
      "skip",
      3500,
      { run: [3000], missed: 2, next: 4000, last: 3000 },
    ],
    ["three are late", { all: 2 }, 3500, { run: [2000, 3000], missed: 1, next: 4000, last: 3000 }],
    ["three are late", { all: 10 }, 3500, { run: [1000, 2000, 3000], missed: 0, next: 4000, last: 3000 }],
  ])("%s, %j, at %i", (_name, policy, now, expected) => {
    expect(takeDue(every, 1000, now, policy, DEFAULT_GRACE_MS)).toEqual(expected);
    expect(takeDue(cron, 1000, now, policy, DEFAULT_GRACE_MS)).toEqual(expected);
  });

  test("skip, later than the grace: none runs", () => {
    expect(takeDue(once, 5000, 5000 + DEFAULT_GRACE_MS, "skip", DEFAULT_GRACE_MS).run).toEqual([5000]);
    expect(takeDue(once, 5000, 5001 + DEFAULT_GRACE_MS, "skip", DEFAULT_GRACE_MS)).toEqual({
      run: [],
      missed: 1,
      next: undefined,
      last: 5000,
    });
  });

  test("a year of missed seconds is neither counted nor looked through", () => {
    const now = 366 * 86_400_000;
    const due = takeDue(cron, 1000, now, { all: 3 }, DEFAULT_GRACE_MS);
    expect(due).toEqual({
      run: [now - 2000, now - 1000, now],
      missed: MAX_COUNTED_MISSES,
      next: now + 1000,
      last: now,
    });
  });

  test("a sparse job that is late is found too", () => {
    const yearly = timeline({ kind: "cron", expression: "@yearly", timezone: "UTC" });
    const due = takeDue(yearly, Date.UTC(1971, 0, 1), Date.UTC(1980, 5, 1), "run-once", 0);
    const last = Date.UTC(1980, 0, 1);
    expect(due).toEqual({ run: [last], missed: 9, next: Date.UTC(1981, 0, 1), last });
  });
});
