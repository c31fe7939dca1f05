/** Scratch whose owner was killed is gone with whoever comes next; scratch in use is left alone. */
import { expect, test } from "bun:test";
import { readdirSync, truncateSync, watch, writeFileSync } from "node:fs";

import { createScratch, isScratchLeft } from "../../src/system/scratch.ts";
import { auroraCommand, scratch } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { testHome } from "../support/test-home.ts";

type Home = ReturnType<typeof testHome>;

/** A command that is killed while it copies a pack: no transaction is open, and a directory and its lock stay. */
async function killedStage(t: Home): Promise<void> {
  await t.run(["ns", "register", "other"]);
  const pack = t.write({ id: "app" });
  // Sparse: a second of reading, and no space on the disk of the source.
  writeFileSync(`${pack}/large`, "");
  truncateSync(`${pack}/large`, 1024 ** 3);
  const begun = Promise.withResolvers<void>();
  const watcher = watch(`${t.home}/tmp`, (_, name) => {
    if (name?.endsWith(".lock") === false) begun.resolve();
  });
  const child = Bun.spawn([...auroraCommand, "stage", pack, "--home", t.home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" },
    stdout: "ignore",
    stderr: "ignore",
  });
  await begun.promise;
  watcher.close();
  child.kill("SIGKILL");
  await child.exited;
  expect(readdirSync(`${t.home}/tmp`).toSorted()).toEqual([
    expect.stringMatching(/^stage-[0-9a-f]+$/),
    expect.stringMatching(/^stage-[0-9a-f]+\.lock$/),
  ]);
}

test.each(["list", "recover", "verify"])("the next command removes it: %s", async (command) => {
  await using t = testHome();
  await killedStage(t);
  expect(await t.run([command])).toMatchObject({ stderr: "", exitCode: 0 });
  expect(readdirSync(`${t.home}/tmp`)).toEqual([]);
  expect(readdirSync(`${t.home}/store`)).toEqual([]);
});

test("the daemon's start removes it", async () => {
  await using t = testHome();
  await killedStage(t);
  await using daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" },
    stdout: "ignore",
    stderr: "pipe",
  });
  await eventually("an empty tmp/", () => readdirSync(`${t.home}/tmp`).length === 0 || undefined);
  daemon.kill("SIGTERM");
  await daemon.exited;
});

test("what is in use stays, and nobody waits for it", async () => {
  await using t = testHome();
  await t.run(["ns", "register", "other"]);
  using mine = createScratch(`${t.home}/tmp`, "mine");
  expect(isScratchLeft(`${t.home}/tmp`)).toBe(false);
  writeFileSync(`${mine.path}/content`, "");
  for (const argv of [["list"], ["recover"]])
    expect(await t.run(argv)).toMatchObject({ stderr: "", exitCode: 0 });
  expect(readdirSync(mine.path)).toEqual(["content"]);
});

test("what is left is a lock that nobody holds, or a directory without one; to look at it holds nothing", () => {
  using at = scratch();
  expect(isScratchLeft(`${at.path}/none`)).toBe(false);
  expect(isScratchLeft(at.path)).toBe(false);
  writeFileSync(`${at.path}/dead-1.lock`, "");
  for (let times = 0; times < 3; times++) expect(isScratchLeft(at.path)).toBe(true);
  using other = scratch();
  writeFileSync(`${other.path}/dead-2`, "");
  expect(isScratchLeft(other.path)).toBe(true);
  // Where this user cannot look, a command that only looks goes on.
  expect(isScratchLeft(`${other.path}/dead-2`)).toBe(false);
});
