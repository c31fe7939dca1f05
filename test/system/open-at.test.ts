import { expect, test } from "bun:test";
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";

import { openAt, readLinkAt } from "../../src/system/open-at.ts";
import { scratch } from "../support/aurora.ts";

function codeOf(work: () => unknown): string {
  try {
    work();
    return "no error";
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code ?? String(thrown);
  }
}

test("opens names in the directory that was opened, wherever its path leads by now", () => {
  using directory = scratch();
  for (const name of ["a", "b"]) {
    mkdirSync(`${directory.path}/${name}`);
    writeFileSync(`${directory.path}/${name}/f é\n`, `in ${name}`);
  }
  const top = openSync(`${directory.path}/a`, "r");
  renameSync(`${directory.path}/a`, `${directory.path}/c`);
  symlinkSync("b", `${directory.path}/a`);
  const file = openAt(top, "f é\n", "file");
  expect(readFileSync(file, "utf8")).toBe("in a");
  closeSync(file);
  closeSync(top);
});

test("follows no symlink, waits for no fifo, and says what is wrong", () => {
  using directory = scratch();
  mkdirSync(`${directory.path}/d`);
  writeFileSync(`${directory.path}/f`, "");
  symlinkSync("f", `${directory.path}/l`);
  symlinkSync("d", `${directory.path}/ld`);
  Bun.spawnSync(["mkfifo", `${directory.path}/fifo`]);
  const top = openSync(directory.path, "r");
  expect(codeOf(() => openAt(top, "l", "file"))).toBe("ELOOP");
  expect(["ELOOP", "ENOTDIR"]).toContain(codeOf(() => openAt(top, "ld", "directory")));
  expect(codeOf(() => openAt(top, "f", "directory"))).toBe("ENOTDIR");
  expect(codeOf(() => openAt(top, "missing", "file"))).toBe("ENOENT");
  expect(() => openAt(top, "f\0x", "file")).toThrow("NUL");
  const fifo = openAt(top, "fifo", "file");
  expect(fstatSync(fifo).isFIFO()).toBe(true);
  closeSync(fifo);
  expect(readLinkAt(top, "l").toString()).toBe("f");
  expect(codeOf(() => readLinkAt(top, "f"))).toBe("EINVAL");
  closeSync(top);
});

test("a program that is started does not inherit what was opened", () => {
  using directory = scratch();
  writeFileSync(`${directory.path}/f`, "");
  const top = openSync(directory.path, "r");
  const file = openAt(top, "f", "file");
  const { stdout } = Bun.spawnSync(["readlink", `/proc/self/fd/${file}`]);
  expect(stdout.toString()).not.toContain(directory.path);
  closeSync(file);
  closeSync(top);
});
