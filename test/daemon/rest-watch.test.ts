import { expect, test } from "bun:test";

import { untilRestMs } from "../../src/daemon/rest-watch.ts";

test.each([
  ["the first time", 1000, undefined, 3000],
  ["long after the last", 200_000, 1000, 3000],
  ["soon after the last", 11_000, 1000, 50_000],
  ["when the pause is nearly over", 60_500, 1000, 3000],
] as const)("%s", (_name, nowMs, lastMs, expected) => {
  expect(untilRestMs(nowMs, lastMs)).toBe(expected);
});
