import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("everything below, links not followed", async () => {
  await using t = await vfsHome({ "a/b": "1", c: "2" });
  Bun.spawnSync(["ln", "-s", "/etc", `${t.home}/data/app/out`]);
  expect(await t.run(["vfs", "tree", "app"])).toEqual({
    stdout: "a/\n  b\nc\nout\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["vfs", "tree", "app", "a"])).value).toEqual([
    { depth: 1, name: "b", type: "file", size_bytes: 1, modified: expect.any(String) },
  ]);
});
