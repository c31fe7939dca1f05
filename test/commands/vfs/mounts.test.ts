import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { testHome } from "../../support/test-home.ts";
import { vfsHome } from "../../support/vfs-home.ts";

const key = (text: string) => Bun.CryptoHasher.hash("sha256", text, "hex").slice(0, 32);

test("a pack that mounts nothing has its data", async () => {
  await using t = await vfsHome({ a: "1" });
  expect(await t.run(["vfs", "mounts", "app"])).toEqual({
    stdout: "PATH  TYPE  MODE  SIZE  SOURCE\n/     data  rw    -     -\n",
    stderr: "",
    exitCode: 0,
  });
});

/** A live pack with one mount of each type. */
async function withMounts() {
  const t = testHome();
  const shared = join(dirname(t.packs), "shared");
  mkdirSync(shared);
  writeFileSync(`${shared}/f`, "from the host");
  t.write({
    id: "app",
    manifest: `  mounts:
    - { path: /cache, type: memory, size: 64KiB }
    - { path: /pack, type: pack }
    - { path: /shared, type: host, source: "${shared}", mode: ro }`,
  });
  const installed = await t.run(["install", "app", "--approve"]);
  expect(installed).toMatchObject({ exitCode: 0 });
  const ofPack = `/dev/shm/aurora-${process.geteuid?.() ?? 0}/${key(`${t.home}/data/app`)}`;
  const memory = `${ofPack}/${key("/cache")}`;
  return {
    ...t,
    shared,
    memory,
    [Symbol.asyncDispose]: async () => {
      Bun.spawnSync(["rm", "-rf", ofPack]);
      await t[Symbol.asyncDispose]();
    },
  };
}

test("the mounts of the manifest are there for every command", async () => {
  await using t = await withMounts();
  expect((await t.json(["vfs", "mounts", "app"])).value).toMatchObject([
    { path: "/", type: "data", mode: "rw", source: null, size_bytes: null },
    { path: "/cache", type: "memory", mode: "rw", source: null, size_bytes: 65_536 },
    { path: "/pack", type: "pack", mode: "ro", source: null, size_bytes: null },
    { path: "/shared", type: "host", mode: "ro", source: t.shared, size_bytes: null },
  ]);
  expect(await t.run(["vfs", "cat", "app", "/shared/f"])).toMatchObject({ stdout: "from the host" });
  expect(await t.run(["vfs", "cat", "app", "/pack/manifest.yaml"])).toMatchObject({ exitCode: 0 });
  for (const path of ["/shared/f", "/pack/manifest.yaml"])
    expect(await t.run(["vfs", "write", "app", path], { stdin: "x" })).toEqual({
      stdout: "",
      stderr: `error[read-only]: cannot write "${path}": it is read-only\n`,
      exitCode: 9,
    });
  expect(await t.run(["vfs", "cat", "app", "/shared/../shared/../../x"])).toMatchObject({ exitCode: 9 });
});

test.skipIf(!existsSync("/dev/shm"))(
  "what is in memory is there for the next command, and has a limit",
  async () => {
    await using t = await withMounts();
    expect(await t.run(["vfs", "ls", "app", "/cache"])).toMatchObject({
      stdout: "",
      stderr: "",
      exitCode: 0,
    });
    expect(existsSync(t.memory)).toBe(false);
    expect(await t.run(["vfs", "write", "app", "/cache/f"], { stdin: "kept" })).toEqual({
      stdout: "",
      stderr: "",
      exitCode: 0,
    });
    expect(readdirSync(t.memory)).toEqual(["f"]);
    expect(await t.run(["vfs", "cat", "app", "/cache/f"])).toMatchObject({ stdout: "kept" });
    expect(await t.run(["vfs", "write", "app", "/cache/g"], { stdin: "x".repeat(70_000) })).toEqual({
      stdout: "",
      stderr: 'error[quota-exceeded]: cannot write "/cache/g": the quota does not allow it\n',
      exitCode: 1,
    });
  },
);

test("in a dry run nothing of the host is mounted", async () => {
  await using t = await withMounts();
  const data = join(dirname(t.packs), "scratch");
  mkdirSync(data);
  const env = {
    AURORA_PACK_ID: "app",
    AURORA_DATA_DIR: data,
    AURORA_PACK_DIR: `${t.packs}/app`,
    AURORA_DRY_RUN: "1",
  };
  const { stdout } = await t.run(["vfs", "mounts", "app", "--json"], { env });
  expect((JSON.parse(stdout) as { path: string }[]).map(({ path }) => path)).toEqual([
    "/",
    "/cache",
    "/pack",
  ]);
});
