import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("paths that match, from the directory on", async () => {
  await using t = await vfsHome({ "a.txt": "1", "d/b.txt": "2", "d/c.md": "3" });
  expect(await t.run(["vfs", "glob", "app", "**/*.txt"])).toEqual({
    stdout: "a.txt\nd/b.txt\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["vfs", "glob", "app", "*.md", "/d"])).value).toEqual(["c.md"]);
  expect(await t.run(["vfs", "glob", "app", "../*"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
});
