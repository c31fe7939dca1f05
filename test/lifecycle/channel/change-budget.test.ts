import { expect, test } from "bun:test";

import {
  CHANGES_PER_SECOND,
  fullBudget,
  MAX_CHANGES_AT_ONCE,
  takeChange,
} from "../../../src/lifecycle/channel/change-budget.ts";

/** How many of the changes that come at these moments are taken. */
function taken(moments: Iterable<number>): number {
  let budget = fullBudget(0);
  let count = 0;
  for (const moment of moments) {
    const next = takeChange(budget, moment);
    if (!next) continue;
    budget = next;
    count++;
  }
  return count;
}

function* every(stepMs: number, untilMs: number): Generator<number> {
  for (let moment = 0; moment <= untilMs; moment += stepMs) yield moment;
}

test("so many at once, and not one more", () => {
  expect(taken(Array.from({ length: 1000 }, () => 0))).toBe(MAX_CHANGES_AT_ONCE);
});

test("used up, there are so many in a second, however often it is tried", () => {
  const seconds = 100;
  for (const stepMs of [1, 20, 100])
    expect(taken(every(stepMs, seconds * 1000))).toBe(MAX_CHANGES_AT_ONCE + seconds * CHANGES_PER_SECOND);
});

test("who makes no more than that is never refused", () => {
  const stepMs = 1000 / CHANGES_PER_SECOND;
  const moments = [...every(stepMs, 3_600_000)];
  expect(taken(moments)).toBe(moments.length);
});

test("a long rest fills it up, and no further", () => {
  const burst = (at: number) => Array.from({ length: 1000 }, () => at);
  expect(taken([...burst(0), ...burst(1e9)])).toBe(2 * MAX_CHANGES_AT_ONCE);
});

test("a refusal changes nothing", () => {
  const spent = { usedUntilMs: -250 };
  expect(takeChange(spent, 249)).toBeUndefined();
  expect(takeChange(spent, 250)).toEqual({ usedUntilMs: 250 });
});
