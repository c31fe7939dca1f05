import { expect, test } from "bun:test";
import { closeSync, openSync, writeFileSync } from "node:fs";

import { printedSince } from "../../src/lifecycle/printed-since.ts";
import { scratch } from "../support/aurora.ts";

function printed(content: string, sizeBefore: number): string {
  using directory = scratch();
  writeFileSync(`${directory.path}/log`, content);
  const descriptor = openSync(`${directory.path}/log`, "r");
  try {
    return printedSince(descriptor, sizeBefore);
  } finally {
    closeSync(descriptor);
  }
}

test("what came since, and nothing of what was there", () => {
  expect(printed("before\nnew\n", 7)).toBe("new\n");
  expect(printed("before\n", 7)).toBe("");
  expect(printed("", 0)).toBe("");
});

test("a log that was rotated meanwhile is read from its begin", () => {
  expect(printed("new\n", 1000)).toBe("new\n");
});

test("of much, the end, which begins with a whole character", () => {
  const end = "x".repeat(65_535);
  expect(printed(`before\n${end}`, 7)).toBe(end);
  expect(printed(`before\n1${end}`, 7)).toBe(`1${end}`);
  expect(printed(`before\né${end}`, 7)).toBe(end);
  expect(printed(`😀${end.slice(2)}`, 0)).toBe(end.slice(2));
  // What is broken by itself is shown as that.
  expect(printed(`before\n${end}`, 0)).toBe(`\n${end}`);
});
