import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("directories with those above them; one that is there is fine", async () => {
  await using t = await vfsHome({ file: "1" });
  expect(await t.run(["vfs", "mkdir", "app", "a/b/c", "d"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  expect(await t.run(["vfs", "mkdir", "app", "a/b/c", "--json"])).toEqual({
    stdout: '{"created":["a/b/c"]}\n',
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["vfs", "tree", "app"])).toMatchObject({ stdout: "a/\n  b/\n    c/\nd/\nfile\n" });
  expect(await t.run(["vfs", "mkdir", "app", "file"])).toEqual({
    stdout: "",
    stderr: 'error[not-a-directory]: cannot create "/file": a part of the path is no directory\n',
    exitCode: 1,
  });
});
