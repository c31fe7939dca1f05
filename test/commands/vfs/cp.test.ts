import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("copies a file, into a directory too", async () => {
  await using t = await vfsHome({ a: "12345", "d/x": "3" });
  expect(await t.run(["vfs", "cp", "app", "a", "b"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  expect(await t.run(["vfs", "cp", "app", "a", "d/", "--json"])).toEqual({
    stdout: '{"from":"a","to":"/d/a","copied_bytes":5,"copied_files":1}\n',
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["vfs", "cat", "app", "d/a"])).toMatchObject({ stdout: "12345" });
  expect(await t.run(["vfs", "cp", "app", "a", "b", "--no-overwrite"])).toMatchObject({ exitCode: 8 });
  expect(await t.run(["vfs", "cp", "app", "d", "e"])).toEqual({
    stdout: "",
    stderr:
      'error[is-a-directory]: cannot copy "/d": it is a directory\nhint: -r copies it with all that is in it\n',
    exitCode: 1,
  });
  for (const verb of ["cp -r", "mv"])
    expect(await t.run(["vfs", ...verb.split(" "), "app", "d", "d/in"])).toEqual({
      stdout: "",
      stderr: `error[invalid-path]: cannot ${verb === "mv" ? "move" : "copy"} to "/d/in": a directory cannot go into itself\n`,
      exitCode: 2,
    });
});
