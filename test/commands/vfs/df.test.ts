import { expect, test } from "bun:test";
import { existsSync } from "node:fs";

import { testHome } from "../../support/test-home.ts";
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

test("a quota of the manifest is shown, and holds", async () => {
  await using t = testHome();
  const quiet = { start: null, stop: null, health: null };
  t.write({ ...quiet, id: "app", manifest: "  data: { quota: { size: 1KiB, files: 2 } }" });
  await t.run(["install", "app"]);
  await t.run(["vfs", "write", "app", "a"], { stdin: "old" });
  expect(await t.run(["vfs", "write", "app", "a"], { stdin: "x".repeat(1025) })).toEqual({
    stdout: "",
    stderr: 'error[quota-exceeded]: cannot write "/a": the quota does not allow it\n',
    exitCode: 1,
  });
  expect(await t.run(["vfs", "cat", "app", "a"])).toMatchObject({ stdout: "old" });
  expect(await t.run(["vfs", "mkdir", "app", "d/e"])).toMatchObject({ exitCode: 1 });
  expect((await t.run(["vfs", "df", "app"])).stdout).toMatch(
    /^1 file, 3 B of 1\.0 KiB, 2 of 2 files, directories and links; its file system has /,
  );
  expect((await t.json(["vfs", "df", "app"])).value).toMatchObject({
    files: 1,
    entries: 2,
    used_bytes: 3,
    quota_bytes: 1024,
    quota_files: 2,
  });
});
