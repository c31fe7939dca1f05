import { expect, test } from "bun:test";
import { closeSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync, writeSync } from "node:fs";

import { makeFifo } from "../../src/system/fifo.ts";
import { openLog, openRegular } from "../../src/system/open-untrusted.ts";
import { scratch } from "../support/aurora.ts";

const traps: [string, (path: string, victim: string) => void][] = [
  ["a link", (path, victim) => symlinkSync(victim, path)],
  ["a link to nothing", (path, victim) => symlinkSync(`${victim}-new`, path)],
  ["another name", (path, victim) => linkSync(victim, path)],
  ["a FIFO", (path) => makeFifo(path, 0o600)],
  ["a directory", (path) => mkdirSync(path)],
];

test.each(traps)("a log in the place of which is %s begins anew", (_name, make) => {
  using place = scratch();
  const [path, victim] = [`${place.path}/log`, `${place.path}/victim`];
  writeFileSync(victim, "as it was");
  make(path, victim);
  for (const line of ["one\n", "two\n"]) {
    const descriptor = openLog(path);
    writeSync(descriptor, line);
    closeSync(descriptor);
  }
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
  expect(readFileSync(victim, "utf8")).toBe("as it was");
});

test.each(traps)("%s is not read", (_name, make) => {
  using place = scratch();
  const [path, victim] = [`${place.path}/log`, `${place.path}/victim`];
  writeFileSync(victim, "secret");
  make(path, victim);
  expect(openRegular(path)).toBeUndefined();
});

test("a plain file is", () => {
  using place = scratch();
  writeFileSync(`${place.path}/log`, "x");
  const descriptor = openRegular(`${place.path}/log`);
  expect(descriptor).toBeNumber();
  closeSync(descriptor as number);
  expect(openRegular(`${place.path}/none`)).toBeUndefined();
});
