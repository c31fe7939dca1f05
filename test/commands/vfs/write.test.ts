import { expect, test } from "bun:test";

import { auroraCommand } from "../../support/aurora.ts";
import { peakMemory } from "../../support/peak-memory.ts";
import { vfsHome } from "../../support/vfs-home.ts";

test("replaces a file with standard input, and creates what is above it", async () => {
  await using t = await vfsHome();
  expect(await t.run(["vfs", "write", "app", "/a/b.txt"], { stdin: "one" })).toEqual({
    stdout: "",
    stderr: "",
    exitCode: 0,
  });
  expect(
    await t.run(["vfs", "write", "app", "/a/b.txt", "--durable", "--json"], { stdin: "second" }),
  ).toEqual({ stdout: '{"path":"/a/b.txt","written_bytes":6}\n', stderr: "", exitCode: 0 });
  expect(await t.run(["vfs", "cat", "app", "a/b.txt"])).toMatchObject({ stdout: "second" });
});

test("--no-overwrite", async () => {
  await using t = await vfsHome({ a: "1" });
  expect(await t.run(["vfs", "write", "app", "a", "--no-overwrite"], { stdin: "2" })).toEqual({
    stdout: "",
    stderr: 'error[exists]: cannot write "/a": it exists already\n',
    exitCode: 8,
  });
  expect(await t.run(["vfs", "write", "app", "b", "--no-overwrite"], { stdin: "2" })).toMatchObject({
    exitCode: 0,
  });
});

test.each([
  ["", 2, "error[invalid-path]: the path is empty\nhint: / is the pack's root\n"],
  ["/", 1, 'error[is-a-directory]: cannot write "/": it is a directory\n'],
  ["../x", 9, 'error[escape-refused]: the path "../x" leads out of the pack\'s root\n'],
])("to %j: exit %i", async (path, exitCode, stderr) => {
  await using t = await vfsHome();
  expect(await t.run(["vfs", "write", "app", path], { stdin: "x" })).toEqual({
    stdout: "",
    stderr,
    exitCode,
  });
});

test("a full disk leaves the old content, and nothing beside it", async () => {
  if (process.getuid?.() !== 0) return;
  await using t = await vfsHome({ a: "old" });
  const data = `${t.home}/data/app`;
  if (Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "none", data]).exitCode !== 0) return;
  try {
    await t.run(["vfs", "write", "app", "a"], { stdin: "old" });
    expect(await t.run(["vfs", "write", "app", "a"], { stdin: "x".repeat(200_000) })).toEqual({
      stdout: "",
      stderr: 'error[no-space]: cannot write "/a": no space left on the device\n',
      exitCode: 1,
    });
    expect(await t.run(["vfs", "cat", "app", "a"])).toMatchObject({ stdout: "old" });
    expect(await t.run(["vfs", "ls", "app", "--json"])).toMatchObject({
      stdout: expect.stringMatching(/^\[\{"name":"a"[^{]*\}\]\n$/),
    });
  } finally {
    Bun.spawnSync(["umount", data]);
  }
});

test.skipIf(Bun.which("python3") === null)(
  "several hundred megabytes pass through in constant memory",
  async () => {
    await using t = await vfsHome();
    const script = `head -c 300000000 /dev/zero | ${auroraCommand.join(" ")} vfs write app big --home ${t.home}`;
    expect(await peakMemory(script, { PATH: Bun.env["PATH"] ?? "", HOME: "/" })).toBeLessThan(200_000_000);
    expect(await t.run(["vfs", "stat", "app", "big"])).toMatchObject({
      stdout: expect.stringContaining("300000000 bytes"),
    });
  },
);
