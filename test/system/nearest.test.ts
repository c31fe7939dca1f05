import { expect, test } from "bun:test";

import { nearest } from "../../src/system/nearest.ts";

const words = ["install", "list", "logs", "history", "health"];

test.each([
  ["instal", "install"],
  ["isntall", "install"],
  ["lits", "list"],
  ["hist", "history"],
  ["HEALTH", "health"],
  ["xyz", undefined],
  ["", undefined],
  ["q", undefined],
])("%j: %j", (word, found) => expect(nearest(word, words)).toBe(found as string));
