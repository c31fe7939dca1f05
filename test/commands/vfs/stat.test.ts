import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("what is at a path", async () => {
  await using t = await vfsHome({ "d/a": "12345" });
  expect(await t.run(["vfs", "stat", "app", "d/a"])).toEqual({
    stdout: "name      a\ntype      file\nsize      5 bytes\nmode      0640\nmodified  TIME\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["vfs", "stat", "app", "/d"])).value).toEqual({
    name: "d",
    type: "directory",
    size_bytes: 0,
    mode: "0750",
    modified: expect.any(String),
  });
  expect((await t.json(["vfs", "stat", "app"])).value).toMatchObject({ name: "/", type: "directory" });
  expect(await t.run(["vfs", "stat", "app", "x"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: cannot look at "/x": there is nothing at that path\n',
    exitCode: 5,
  });
});
