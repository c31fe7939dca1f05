import { expect, test } from "bun:test";

import { LONGEST_TIMER_MS, longTimer } from "../../src/process/long-timer.ts";

/** A timer that runs out when told. */
function fakeTimers() {
  const delays: number[] = [];
  let pending: (() => void) | undefined;
  const start = (action: () => void, delayMs: number) => {
    delays.push(delayMs);
    pending = action;
    return () => {
      pending = undefined;
    };
  };
  return { delays, start, fire: () => pending?.() };
}

test.each([
  [0, [0]],
  [1, [1]],
  [LONGEST_TIMER_MS, [LONGEST_TIMER_MS]],
  [LONGEST_TIMER_MS + 1, [LONGEST_TIMER_MS, 1]],
  [LONGEST_TIMER_MS * 2 + 5, [LONGEST_TIMER_MS, LONGEST_TIMER_MS, 5]],
])("%d ms are waited for in steps that setTimeout can count", (delayMs, steps) => {
  const timers = fakeTimers();
  let fired = 0;
  longTimer(delayMs, () => fired++, timers.start);
  for (let i = 0; i < steps.length; i++) {
    expect(fired).toBe(0);
    timers.fire();
  }
  expect([timers.delays, fired]).toEqual([steps, 1]);
});

test("a cancelled timer does not fire, in whichever step it is", () => {
  const timers = fakeTimers();
  let fired = 0;
  const cancel = longTimer(LONGEST_TIMER_MS + 1, () => fired++, timers.start);
  timers.fire();
  cancel();
  timers.fire();
  expect(fired).toBe(0);
});
