import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";

import { exchange } from "../../src/system/exchange.ts";
import { scratch } from "../support/aurora.ts";

test("exchanges a file and a directory that is not empty", () => {
  using directory = scratch();
  const [a, b] = [`${directory.path}/a`, `${directory.path}/b`];
  mkdirSync(a);
  writeFileSync(`${a}/f`, "in the directory");
  writeFileSync(b, "the file");
  exchange(a, b);
  expect(readFileSync(a, "utf8")).toBe("the file");
  expect(readFileSync(`${b}/f`, "utf8")).toBe("in the directory");
});

test("changes nothing where one is missing", () => {
  using directory = scratch();
  writeFileSync(`${directory.path}/a`, "");
  expect(() => exchange(`${directory.path}/a`, `${directory.path}/missing`)).toThrow("ENOENT");
  expect(statSync(`${directory.path}/a`).isFile()).toBe(true);
});
