import { expect, test } from "bun:test";
import { existsSync } from "node:fs";

import { vfsHome } from "../../support/vfs-home.ts";

test("what the files take, and what there is", async () => {
  await using t = await vfsHome({ a: "12345", "d/b": "123" });
  const { stdout, stderr, exitCode } = await t.run(["vfs", "df", "app"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout).toMatch(/^2 files, 8 B; its file system has [\d.]+ \w+ of [\d.]+ \w+ free\n$/);
  expect((await t.json(["vfs", "df", "app"])).value).toEqual({
    pack_id: "app",
    files: 2,
    entries: 3,
    used_bytes: 8,
    total_bytes: expect.any(Number),
    free_bytes: expect.any(Number),
    quota_bytes: null,
    quota_files: null,
    mounts: [],
  });
});

test("a look creates nothing where the pack has no data yet", async () => {
  await using t = await vfsHome();
  const before = existsSync(`${t.home}/data/app`);
  expect((await t.json(["vfs", "df", "app"])).value).toMatchObject({ files: 0, used_bytes: 0 });
  expect([before, existsSync(`${t.home}/data/app`)]).toEqual([false, false]);
});
