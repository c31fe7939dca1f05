import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("files, links and, when asked, directories with all that is in them", async () => {
  await using t = await vfsHome({ a: "1", b: "2", "d/e": "3" });
  expect(await t.run(["vfs", "rm", "app", "a", "b"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  expect(await t.run(["vfs", "rm", "app", "d"])).toEqual({
    stdout: "",
    stderr:
      'error[not-empty]: cannot remove "/d": the directory is not empty\nhint: -r removes it with all that is in it\n',
    exitCode: 8,
  });
  expect(await t.run(["vfs", "rm", "app", "-r", "d", "--json"])).toEqual({
    stdout: '{"removed":["d"]}\n',
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["vfs", "ls", "app"])).toMatchObject({ stdout: "" });
});

test("the root never, and what is not there", async () => {
  await using t = await vfsHome({ a: "1" });
  for (const path of ["/", ".", "a/.."])
    expect(await t.run(["vfs", "rm", "app", "-r", path])).toEqual({
      stdout: "",
      stderr: 'error[invalid-path]: cannot remove "/": it is the pack\'s root\n',
      exitCode: 2,
    });
  expect(await t.run(["vfs", "rm", "app", "b"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: cannot remove "/b": there is nothing at that path\n',
    exitCode: 5,
  });
  expect(await t.run(["vfs", "cat", "app", "a"])).toMatchObject({ stdout: "1" });
});

test("a name that looks like an option stands behind --", async () => {
  await using t = await vfsHome({ "/-r": "1", "/--json": "2" });
  expect(await t.run(["vfs", "cat", "app", "--", "--json"])).toMatchObject({ stdout: "2", stderr: "" });
  expect(await t.run(["vfs", "rm", "app", "--", "-r", "--json"])).toMatchObject({ stderr: "", exitCode: 0 });
  expect(await t.run(["vfs", "ls", "app"])).toMatchObject({ stdout: "" });
});
