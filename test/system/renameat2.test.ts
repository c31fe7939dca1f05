import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

import { renameNew, renameNewByLink } from "../../src/system/renameat2.ts";
import { scratch } from "../support/aurora.ts";

test.each([
  ["in one call", renameNew],
  ["by a link", renameNewByLink],
])("%s: a name that is taken is never replaced", (_name, rename) => {
  using t = scratch();
  const at = (name: string) => `${t.path}/${name}`;
  for (const name of ["a", "b"]) writeFileSync(at(name), name);
  for (const name of ["d", "full/x", "empty"]) mkdirSync(at(name), { recursive: true });
  const codeOf = (from: string, to: string) => {
    try {
      rename(at(from), at(to));
      return "done";
    } catch (thrown) {
      return (thrown as NodeJS.ErrnoException).code;
    }
  };
  expect([
    codeOf("a", "b"),
    codeOf("a", "d"),
    codeOf("d", "b"),
    codeOf("d", "full"),
    codeOf("d", "empty"),
  ]).toEqual(["EEXIST", "EEXIST", "EEXIST", "EEXIST", "EEXIST"]);
  expect([codeOf("none", "c"), codeOf("a", "c"), codeOf("d", "e")]).toEqual(["ENOENT", "done", "done"]);
  expect(readFileSync(at("c"), "utf8")).toBe("a");
  expect(readdirSync(t.path).toSorted()).toEqual(["b", "c", "e", "empty", "full"]);
});
