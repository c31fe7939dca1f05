import { describe, expect, test } from "bun:test";

import {
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  writeDuration,
} from "../../src/system/units.ts";

describe("parseDuration", () => {
  test.each([
    ["500ms", 500],
    ["10s", 10_000],
    ["1.5s", 1500],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["30", 30_000],
    ["0", 0],
    ["", undefined],
    ["-1s", undefined],
    ["1 s", undefined],
    ["1w", undefined],
    ["1e3", undefined],
    ["9".repeat(30), undefined],
  ])("%j is %p ms", (text, ms) => expect(parseDuration(text)).toBe(ms as number));
});

test("writeDuration writes what parseDuration reads", () => {
  expect([0, 1, 500, 1500, 30_000, 5_400_000, 90_061_001].map(writeDuration)).toEqual([
    "0s",
    "1ms",
    "500ms",
    "1s500ms",
    "30s",
    "1h30m",
    "1d1h1m1s1ms",
  ]);
  for (const ms of [0, 1, 1500, 90_061_001]) expect(parseDuration(writeDuration(ms))).toBe(ms);
});

describe("parseSize", () => {
  test.each([
    ["4096", 4096],
    ["64MiB", 64 * 1024 ** 2],
    ["1GB", 1e9],
    ["1.5KiB", 1536],
    ["10 B", 10],
    ["", undefined],
    ["-1", undefined],
    ["1XB", undefined],
    ["9".repeat(30), undefined],
  ])("%j is %p bytes", (text, bytes) => expect(parseSize(text)).toBe(bytes as number));
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [5 * 1024 ** 4, "5.0 TiB"],
])("formatSize(%p) is %p", (bytes, text) => expect(formatSize(bytes)).toBe(text));

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [1500, "1.5 s"],
  [59_999, "59.9 s"],
  [125_000, "2 m 5 s"],
  [12_000_000, "3 h 20 m"],
  [352_800_000, "4 d 2 h"],
])("formatDuration(%p) is %p", (ms, text) => expect(formatDuration(ms)).toBe(text));
