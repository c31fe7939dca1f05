import { expect, jest, test } from "bun:test";

import { RestWatch, untilRestMs } from "../../src/daemon/rest-watch.ts";

test.each([
  ["the first time", 1000, undefined, 3000],
  ["long after the last", 200_000, 1000, 3000],
  ["soon after the last", 11_000, 1000, 5000],
  ["when the pause is nearly over", 15_500, 1000, 3000],
] as const)("%s", (_name, nowMs, lastMs, expected) => {
  expect(untilRestMs(nowMs, lastMs)).toBe(expected);
});

test("a burst of changes has one rest, and the next comes no sooner than 15 s after it", () => {
  jest.useFakeTimers();
  try {
    let rests = 0;
    using watch = new RestWatch(() => rests++);
    const after = (ms: number) => {
      jest.advanceTimersByTime(ms);
      return rests;
    };
    watch.touch();
    expect(after(2000)).toBe(0);
    watch.touch();
    expect([after(2999), after(1), after(100_000)]).toEqual([0, 1, 1]);
    watch.touch();
    expect(after(3000)).toBe(2);
    watch.touch();
    expect([after(14_000), after(1000)]).toEqual([2, 3]);
    watch.touch();
    watch[Symbol.dispose]();
    expect(after(100_000)).toBe(3);
  } finally {
    jest.useRealTimers();
  }
});
