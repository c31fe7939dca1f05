import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { TEMPORARY_PREFIX } from "../../../src/system/durable.ts";
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
  const { shared } = t;
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
  const ofPack = `/dev/shm/aurora-${process.geteuid?.() ?? 0}-${key(`${t.home}/data/app`)}`;
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
    expect(await t.run(["vfs", "write", "app", "/cache/f"], { stdin: "kept" })).toEqual({
      stdout: "",
      stderr: "",
      exitCode: 0,
    });
    expect(readdirSync(t.memory).filter((name) => !name.startsWith(TEMPORARY_PREFIX))).toEqual(["f"]);
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
  const tmp = join(data, "tmp");
  mkdirSync(tmp);
  await t.run(["vfs", "write", "app", "/cache/f"], { env: { ...env, AURORA_TMP_DIR: tmp }, stdin: "1" });
  // The pack's own, which its health check had.
  const inMemory = existsSync(t.memory) ? readdirSync(t.memory) : [];
  expect([readdirSync(tmp).length, inMemory]).toEqual([1, []]);
  const { stdout } = await t.run(["vfs", "mounts", "app", "--json"], { env });
  expect((JSON.parse(stdout) as { path: string }[]).map(({ path }) => path)).toEqual([
    "/",
    "/cache",
    "/pack",
  ]);
});

test.skipIf(!existsSync("/dev/shm"))("what is in memory goes with the pack's data", async () => {
  await using t = await withMounts();
  await t.run(["vfs", "write", "app", "/cache/f"], { stdin: "1" });
  expect(existsSync(t.memory)).toBe(true);
  expect(await t.run(["remove", "app", "--purge"])).toMatchObject({ exitCode: 0 });
  expect(existsSync(dirname(t.memory))).toBe(false);
});

test("a directory of the host that is not there is in nobody's way", async () => {
  await using t = testHome();
  t.write({
    id: "app",
    start: null,
    stop: null,
    health: null,
    manifest: "  mounts:\n    - { path: /shared, type: host, source: /no/such/directory, mode: rw }",
  });
  await t.run(["install", "app", "--approve"]);
  expect(await t.run(["vfs", "write", "app", "/mine"], { stdin: "1" })).toMatchObject({ exitCode: 0 });
  expect((await t.json(["vfs", "ls", "app"])).value).toMatchObject([{ name: "mine" }, { name: "shared" }]);
  expect(await t.run(["vfs", "write", "app", "/shared/f"], { stdin: "1" })).toEqual({
    stdout: "",
    stderr: 'error[not-found]: cannot mount "/shared": its directory is not there\n',
    exitCode: 5,
  });
  expect(await t.run(["vfs", "df", "app", "--json"])).toMatchObject({
    stderr: 'warning: cannot mount "/shared": its directory is not there\n',
    exitCode: 0,
  });
});

test.each(["HOME", "HOME/data/other", "/"])(
  "Aurora's own home is not mounted by way of %s",
  async (source) => {
    await using t = testHome();
    t.write({
      id: "app",
      start: null,
      stop: null,
      health: null,
      manifest: `  mounts:\n    - { path: /h, type: host, source: "${source.replace("HOME", t.home)}" }`,
    });
    mkdirSync(`${t.home}/data/other`, { recursive: true });
    await t.run(["install", "app", "--approve"]);
    expect(await t.run(["vfs", "ls", "app", "/h"])).toEqual({
      stdout: "",
      stderr: `error[denied]: cannot use "/h": its directory holds Aurora's home, or is a part of it\n`,
      exitCode: 9,
    });
    expect((await t.json(["vfs", "mounts", "app"])).value).toMatchObject([
      {},
      { path: "/h", type: "host", problem: "its directory holds Aurora's home, or is a part of it" },
    ]);
  },
);

test("a mount of the host is in the plan, and approved or not there", async () => {
  await using t = testHome();
  const pack = { id: "app", start: null, stop: null, health: null };
  t.write(pack);
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
  const mount = (mode: string) =>
    `  mounts:\n    - { path: /shared, type: host, source: "${dirname(t.packs)}/packs", mode: ${mode} }`;
  t.write({ ...pack, version: "1.1.0", manifest: mount("ro") });
  expect(await t.run(["install", "app", "--no-input"])).toMatchObject({ exitCode: 6 });
  expect(await t.run(["vfs", "ls", "app", "/shared"])).toMatchObject({ exitCode: 5 });
  const { stdout } = await t.run(["plan", "app"]);
  expect(stdout).toContain("Mounts:\n  app: this machine's DIR/packs at /shared, read-only\n");
  const { value } = (await t.json(["plan", "app"])) as { value: { plan_digest: string; mounts: unknown } };
  expect(value.mounts).toEqual([
    { pack_id: "app", type: "host", path: "/shared", from: null, source: t.packs, mode: "ro" },
  ]);
  // What asks for more is another plan.
  t.write({ ...pack, version: "1.1.0", manifest: mount("rw") });
  expect(await t.run(["install", "app", `--approve=${value.plan_digest}`])).toMatchObject({ exitCode: 6 });
  t.write({ ...pack, version: "1.1.0", manifest: mount("ro") });
  expect(await t.run(["install", "app", `--approve=${value.plan_digest}`])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["vfs", "ls", "app", "/shared", "--json"])).toMatchObject({ exitCode: 0 });
});

describe("another pack's data", () => {
  const quiet = { start: null, stop: null, health: null };

  async function twoPacks(share: string, mount: string) {
    const t = testHome();
    t.write({ ...quiet, id: "giver", manifest: `  data: { ${share} }` });
    t.write({ ...quiet, id: "taker", manifest: `  mounts:\n    - { path: /theirs, type: data, ${mount} }` });
    await t.run(["install", "giver"]);
    for (const path of ["/public/f", "/public/sub/g", "/private/f"])
      await t.run(["vfs", "write", "giver", path], { stdin: path });
    expect(await t.run(["install", "taker", "--approve"])).toMatchObject({ exitCode: 0 });
    return t;
  }

  test("is there where both agree, and nothing beside it", async () => {
    await using t = await twoPacks(
      "share: [{ path: /public, with: [taker] }]",
      "pack: giver, source: /public/sub",
    );
    expect(await t.run(["vfs", "cat", "taker", "/theirs/g"])).toMatchObject({ stdout: "/public/sub/g" });
    expect(await t.run(["vfs", "write", "taker", "/theirs/g"], { stdin: "x" })).toEqual({
      stdout: "",
      stderr: 'error[read-only]: cannot write "/theirs/g": it is read-only\n',
      exitCode: 9,
    });
    await t.run(["vfs", "ln", "giver", "../../private/f", "/public/sub/out"]);
    expect(await t.run(["vfs", "cat", "taker", "/theirs/out"])).toMatchObject({ exitCode: 9 });
    expect((await t.json(["vfs", "mounts", "taker"])).value).toMatchObject([
      { path: "/" },
      { path: "/theirs", type: "data", mode: "ro", source: "/public/sub", problem: null },
    ]);
    // The giver takes its consent back.
    t.write({ ...quiet, id: "giver", version: "1.1.0" });
    await t.run(["install", "giver"]);
    expect(await t.run(["vfs", "cat", "taker", "/theirs/g"])).toMatchObject({ exitCode: 9 });
  });

  test("counts to the quota of the pack that it belongs to", async () => {
    await using t = await twoPacks(
      "share: [{ path: /public, with: [taker], mode: rw }], quota: { size: 100 }",
      "pack: giver, source: /public, mode: rw",
    );
    const write = (text: string) => t.run(["vfs", "write", "taker", "/theirs/new"], { stdin: text });
    expect(await write("x".repeat(20))).toMatchObject({ exitCode: 0 });
    expect(await write("x".repeat(90))).toEqual({
      stdout: "",
      stderr: 'error[quota-exceeded]: cannot write "/theirs/new": the quota does not allow it\n',
      exitCode: 1,
    });
    expect(await t.run(["vfs", "cat", "giver", "/public/new"])).toMatchObject({ stdout: "x".repeat(20) });
  });

  test.each([
    ["", "pack: giver, source: /public", 'the pack "giver" does not share "/public" with "taker"'],
    [
      "share: [{ path: /public, with: [somebody] }]",
      "pack: giver, source: /public",
      'the pack "giver" does not share "/public" with "taker"',
    ],
    [
      "share: [{ path: /pub, with: [taker] }]",
      "pack: giver, source: /public",
      'the pack "giver" does not share "/public" with "taker"',
    ],
    [
      "share: [{ path: /public, with: [taker] }]",
      "pack: giver, source: /public, mode: rw",
      'the pack "giver" shares "/public" for reading only',
    ],
    [
      "share: [{ path: /, with: [taker] }]",
      "pack: nobody, source: /public",
      'the pack "nobody" is not installed',
    ],
  ])("shared: %s; wanted: %s", async (share, mount, reason) => {
    await using t = await twoPacks(share, mount);
    expect(await t.run(["vfs", "ls", "taker", "/theirs"])).toEqual({
      stdout: "",
      stderr: `error[denied]: cannot use "/theirs": ${reason}\n`,
      exitCode: 9,
    });
    expect(await t.run(["vfs", "ls", "taker"])).toMatchObject({ exitCode: 0 });
  });
});
