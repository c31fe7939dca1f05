import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("renames, into a directory too, and replaces a file unless told not to", async () => {
  await using t = await vfsHome({ a: "1", b: "2", "d/x": "3" });
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
    stderr: 'error[invalid-path]: cannot move "/": it is the pack\'s root\n',
    exitCode: 2,
  });
});
