import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";

import { findExecutable } from "../../src/process/find-executable.ts";
import { scratch } from "../support/aurora.ts";

test("a name is looked for in PATH, in order, as execvp(3) does", () => {
  using directory = scratch();
  const { path } = directory;
  for (const name of ["a", "b", "c"]) mkdirSync(`${path}/${name}`);
  writeFileSync(`${path}/a/tool`, "", { mode: 0o644 });
  mkdirSync(`${path}/a/folder`);
  writeFileSync(`${path}/b/tool`, "", { mode: 0o755 });
  writeFileSync(`${path}/c/tool`, "", { mode: 0o755 });
  writeFileSync(`${path}/c/here`, "", { mode: 0o755 });
  const all = `${path}/a:/no/such/place:${path}/b:${path}/c`;
  expect(findExecutable("tool", all, "/")).toBe(`${path}/b/tool`);
  // An empty entry is the current directory, which is the child's.
  expect(findExecutable("here", `${path}/a::${path}/b`, `${path}/c`)).toBe("./here");
  expect(findExecutable("here", "../c", `${path}/a`)).toBe("../c/here");
  expect(findExecutable("./here", undefined, `${path}/c`)).toBe("./here");
  expect(findExecutable("sh", undefined, "/")).toMatch(/^\/(usr\/)?bin\/sh$/);
  expect(() => findExecutable("tool", `${path}/a`, "/")).toThrow(
    `cannot run "${path}/a/tool": permission denied`,
  );
  expect(() => findExecutable("folder", `${path}/a`, "/")).toThrow('cannot run "folder": it was not found');
  expect(() => findExecutable("/dev/null", undefined, "/")).toThrow("it is no regular file");
});

// Root may search any directory.
test.skipIf(process.getuid?.() === 0)(
  "a directory of PATH that may not be searched hides nothing but itself",
  () => {
    using directory = scratch();
    const { path } = directory;
    for (const name of ["closed", "open"]) mkdirSync(`${path}/${name}`);
    writeFileSync(`${path}/open/tool`, "", { mode: 0o755 });
    chmodSync(`${path}/closed`, 0);
    const both = `${path}/closed:${path}/open`;
    expect(findExecutable("tool", both, "/")).toBe(`${path}/open/tool`);
    expect(() => findExecutable("other", both, "/")).toThrow('cannot run "other": it was not found');
    expect(() => findExecutable(`${path}/closed/tool`, both, "/")).toThrow("permission denied");
  },
);
