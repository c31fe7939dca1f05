import { expect, test } from "bun:test";

import { stableJitter } from "../../src/scheduler/stable-jitter.ts";

test("is the same in every version: changing these numbers moves everybody's jobs", () => {
  expect(["", "a", "pack03_os_base:nightly", "é"].map((id) => stableJitter(id, 600_000))).toEqual([
    401_353, 62_115, 244_896, 438_204,
  ]);
});

test("spreads similar ids evenly", () => {
  const buckets = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 10_000; i++) (buckets[Math.floor(stableJitter(`job ${i}`, 1000) / 100)] as number)++;
  for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test("stays below its bound", () => {
  for (let i = 0; i < 1000; i++) {
    expect(stableJitter(`${i}`, 0)).toBe(0);
    expect(stableJitter(`${i}`, 1)).toBe(0);
  }
});
