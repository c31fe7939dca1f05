import { expect, test } from "bun:test";

import { DEFAULT_RETRY_BASE_MS, DEFAULT_RETRY_MAX_MS, retryDelay } from "../../src/scheduler/retry-delay.ts";

test("doubles from the base up to the bound; the second half of it is random", () => {
  const policy = { limit: 10, baseMs: 100, maxMs: 450 };
  const delays = (random: number) => [1, 2, 3, 4, 40].map((failed) => retryDelay(policy, failed, random));
  expect(delays(0)).toEqual([50, 100, 200, 225, 225]);
  expect(delays(0.5)).toEqual([75, 150, 300, 337.5, 337.5]);
});

test("has defaults", () => {
  expect(retryDelay({ limit: 1 }, 1, 0)).toBe(DEFAULT_RETRY_BASE_MS / 2);
  expect(retryDelay({ limit: 1 }, 1000, 0)).toBe(DEFAULT_RETRY_MAX_MS / 2);
});
