import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("a directory, for people and as JSON", async () => {
  await using t = await vfsHome({ "b/c.txt": "12345", a: "1" });
  expect(await t.run(["vfs", "ls", "app"])).toEqual({
    stdout: "NAME  TYPE       SIZE  MODIFIED\na     file       1 B   TIME\nb     directory  -     TIME\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["vfs", "ls", "app", "/b"])).value).toEqual([
    { name: "c.txt", type: "file", size_bytes: 5, modified: expect.stringMatching(/Z$/) },
  ]);
});

test("a pack without data has an empty root; a pack that nobody knows has none", async () => {
  await using t = await vfsHome();
  expect(await t.run(["vfs", "ls", "app"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  expect(await Bun.file(`${t.home}/data/app`).exists()).toBe(false);
  expect(await t.run(["vfs", "ls", "app", "/x"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: cannot list "/x": there is nothing at that path\n',
    exitCode: 5,
  });
  expect(await t.run(["vfs", "ls", "apq"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: the pack "apq" is not known\nhint: did you mean "app"?\n',
    exitCode: 5,
  });
});

test("a file is no directory", async () => {
  await using t = await vfsHome({ a: "1" });
  expect(await t.run(["vfs", "ls", "app", "a"])).toEqual({
    stdout: "",
    stderr: 'error[not-a-directory]: cannot list "/a": a part of the path is no directory\n',
    exitCode: 1,
  });
});
