import { expect, test } from "bun:test";

import { testHome } from "../../support/test-home.ts";

async function home(files: Record<string, string> = {}) {
  const t = testHome();
  t.write({ id: "app" });
  await t.run(["stage", "app"]);
  for (const [path, content] of Object.entries(files))
    await t.run(["vfs", "write", "app", path], { stdin: content });
  return t;
}

test("renames, into a directory too, and replaces a file unless told not to", async () => {
  await using t = await home({ a: "1", b: "2", "d/x": "3" });
  expect(await t.run(["vfs", "mv", "app", "a", "b", "--no-overwrite"])).toEqual({
    stdout: "",
    stderr: 'error[exists]: cannot move to "/b": it exists already\n',
    exitCode: 8,
  });
  expect(await t.run(["vfs", "mv", "app", "a", "b"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  expect(await t.run(["vfs", "mv", "app", "b", "/d", "--json"])).toEqual({
    stdout: '{"from":"b","to":"/d/b"}\n',
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["vfs", "cat", "app", "d/b"])).toMatchObject({ stdout: "1" });
  expect(await t.run(["vfs", "mv", "app", "b", "c"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: cannot move "/b": there is nothing at that path\n',
    exitCode: 5,
  });
  expect(await t.run(["vfs", "mv", "app", "/", "c"])).toMatchObject({
    stderr: "error[invalid-path]: cannot move the pack's root\n",
    exitCode: 2,
  });
});
