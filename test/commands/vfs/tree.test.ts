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

test("everything below, links not followed", async () => {
  await using t = await home({ "a/b": "1", c: "2" });
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
