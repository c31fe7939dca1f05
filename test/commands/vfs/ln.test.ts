import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("a link that stays inside; one that leads out is refused", async () => {
  await using t = await vfsHome({ "d/a": "1" });
  expect(await t.run(["vfs", "ln", "app", "d/a", "/link", "--json"])).toEqual({
    stdout: '{"path":"/link","target":"d/a"}\n',
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["vfs", "cat", "app", "link"])).toMatchObject({ stdout: "1" });
  for (const target of ["/etc/passwd", "../x", "d/../../x"])
    expect(await t.run(["vfs", "ln", "app", target, "/d/../other"])).toEqual({
      stdout: "",
      stderr: `error[escape-refused]: cannot create "/other": the link would lead out of the pack's root, to "${target}"\n`,
      exitCode: 9,
    });
  expect(await t.run(["vfs", "ln", "app", "d/a", "link"])).toEqual({
    stdout: "",
    stderr: 'error[exists]: cannot create "/link": it exists already\n',
    exitCode: 8,
  });
});
