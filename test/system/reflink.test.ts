import { expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";

import { cloneFile, copyRange } from "../../src/system/reflink.ts";
import { scratch } from "../support/aurora.ts";

test("the kernel copies a file to its end, or says that it cannot", () => {
  using t = scratch();
  const content = "some content ".repeat(10_000);
  writeFileSync(`${t.path}/a`, content);
  const [from, to] = [openSync(`${t.path}/a`, "r"), openSync(`${t.path}/b`, "wx")];
  try {
    if (!cloneFile(from, to)) {
      let copied = 0;
      for (let length: number | undefined = 1; length; copied += length ?? 0) length = copyRange(from, to);
      expect(copied).toBe(content.length);
    }
    expect(readFileSync(`${t.path}/b`, "utf8")).toBe(content);
  } finally {
    closeSync(from);
    closeSync(to);
  }
});

test("a device is no file to copy from", () => {
  using t = scratch();
  const [from, to] = [openSync("/dev/null", "r"), openSync(`${t.path}/b`, "wx")];
  try {
    expect(copyRange(from, to)).toBeUndefined();
  } finally {
    closeSync(from);
    closeSync(to);
  }
});
