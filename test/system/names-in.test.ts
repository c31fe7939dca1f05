import { expect, test } from "bun:test";
import { closeSync, mkdirSync, openSync, rmdirSync, writeFileSync } from "node:fs";

import { namesIfStill } from "../../src/system/names-in.ts";
import { scratch } from "../support/aurora.ts";

test("what was a directory a moment ago has no names once it is gone, or is something else", () => {
  using place = scratch();
  const directory = `${place.path}/directory`;
  mkdirSync(directory);
  expect(namesIfStill(place.path)).toEqual(["directory"]);
  const descriptor = openSync(directory, "r");
  try {
    rmdirSync(directory);
    expect(namesIfStill(directory)).toEqual([]);
    if (process.platform === "linux") expect(namesIfStill(`/proc/self/fd/${descriptor}`)).toEqual([]);
  } finally {
    closeSync(descriptor);
  }
  writeFileSync(directory, "");
  expect(namesIfStill(directory)).toEqual([]);
});
