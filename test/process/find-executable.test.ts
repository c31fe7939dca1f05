import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";

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
