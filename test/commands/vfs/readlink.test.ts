import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("what a link says, and nothing for what is none", async () => {
  await using t = await vfsHome({ a: "1" });
  await t.run(["vfs", "ln", "app", "a", "link"]);
  expect(await t.run(["vfs", "readlink", "app", "link"])).toEqual({ stdout: "a\n", stderr: "", exitCode: 0 });
  expect((await t.json(["vfs", "readlink", "app", "/link"])).value).toEqual({ path: "/link", target: "a" });
  expect(await t.run(["vfs", "readlink", "app", "a"])).toEqual({
    stdout: "",
    stderr: 'error[invalid-path]: cannot read the link "/a": it is no symbolic link\n',
    exitCode: 2,
  });
});
