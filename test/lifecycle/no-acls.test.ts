/** A home on a file system without ACLs: what one pack shares with another cannot be opened there, and keeps nothing else. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, rmSync } from "node:fs";

import { scratch } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

const canMount = process.getuid?.() === 0 && Bun.which("mkfs.btrfs") !== null;

/** Undefined where this machine does not let us. */
function withoutAcls() {
  const directory = scratch("/tmp");
  const [image, place] = [`${directory.path}/image`, `${directory.path}/mounted`];
  mkdirSync(place);
  const isMounted = [
    ["truncate", "-s", "256M", image],
    ["mkfs.btrfs", "-q", image],
    ["mount", "-o", "loop,noacl", image, place],
  ].every((command) => Bun.spawnSync(command).success);
  for (const each of [directory.path, place]) chmodSync(each, 0o755);
  return {
    place: isMounted ? place : undefined,
    [Symbol.dispose]: () => {
      if (isMounted) Bun.spawnSync(["umount", "-l", place]);
      rmSync(image, { force: true });
      directory[Symbol.dispose]();
    },
  };
}

test.skipIf(!canMount)(
  "a pack that mounts another's data is refused, and everything else goes on (needs root and mkfs.btrfs)",
  async () => {
    using disk = withoutAcls();
    if (disk.place === undefined) return;
    await using t = testHome({ parent: disk.place });
    const quiet = { start: null, stop: null, health: null };
    const giver = {
      ...quiet,
      id: "giver",
      manifest: "  data: { share: [{ path: /public, with: [taker] }] }",
    };
    t.write({ ...giver, version: "1.0.0", name: "first" });
    t.write({ ...giver, version: "2.0.0", name: "second" });
    const mounts = "  mounts:\n    - { path: /theirs, type: data, pack: giver, source: /public }";
    t.write({ ...quiet, id: "taker", install: "exit 0", manifest: mounts });
    expect(await t.run(["install", "./packs/first", "--approve"])).toMatchObject({ exitCode: 0 });
    await t.run(["vfs", "mkdir", "giver", "/public"]);
    const refused = await t.run(["install", "taker", "--approve"]);
    expect(refused.stdout + refused.stderr).toContain(
      'taker: cannot share "/public": the file system of the home has no ACLs',
    );
    expect(refused.exitCode).toBe(4);
    expect(await t.run(["recover"])).toEqual({
      stdout: "there is nothing to recover\n",
      stderr: "",
      exitCode: 0,
    });
    expect(await t.run(["install", "./packs/second", "--approve"])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["remove", "giver", "--purge"])).toMatchObject({ exitCode: 0 });
  },
  120_000,
);
