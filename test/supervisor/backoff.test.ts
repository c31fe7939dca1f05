/** The pause from one start to the next. */
import { expect, test } from "bun:test";

import { JITTER, pauseMs } from "../../src/supervisor/backoff.ts";

test("doubles with each failure in a row, up to the longest", () => {
  const pauses = [1, 2, 3, 4, 7, 8, 1000].map((failures) => pauseMs(failures, [1, 60], 0) / 1000);
  expect(pauses).toEqual([1, 2, 4, 8, 60, 60, 60]);
});

test("is shortened at random by no more than a part of it", () => {
  expect(pauseMs(1, [10, 60], 0.5)).toBe(10_000 * (1 - JITTER / 2));
  expect(pauseMs(1, [0, 0], 0.5)).toBe(0);
});
