import { expect, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, writeFileSync } from "node:fs";

import { tryFlock } from "../../src/system/flock.ts";
import { auroraCommand, collect } from "../support/aurora.ts";
import { openFilesOf, testHome } from "../support/test-home.ts";

type Home = ReturnType<typeof testHome>;

/** An upgrade whose program is killed while the new service starts. */
async function killedUpgrade(t: Home, first: { start?: string } = {}): Promise<void> {
  t.write({ id: "app", ...first });
  await t.run(["install", "app"]);
  t.write({ id: "app", name: "next", version: "2.0.0", start: "touch data/starting; sleep 300" });
  const child = Bun.spawn([...auroraCommand, "install", "./packs/next", "--home", t.home], {
    cwd: t.packs.replace(/\/packs$/, ""),
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" },
    stdout: "ignore",
    stderr: "ignore",
  });
  while (!existsSync(`${t.home}/data/app/starting`)) await Bun.sleep(5);
  child.kill("SIGKILL");
  await child.exited;
}

test("nothing to recover", async () => {
  await using t = testHome();
  expect(await t.run(["recover"])).toEqual({
    stdout: "there is nothing to recover\n",
    stderr: "",
    exitCode: 0,
  });
  expect(existsSync(t.home)).toBe(false);
});

test("a killed upgrade: the old generation is live, running and checked again", async () => {
  await using t = testHome();
  await killedUpgrade(t);
  expect(await t.run(["recover"])).toEqual({
    stdout: "UUID  rolled-back: it was interrupted by a crash\n",
    stderr: expect.stringContaining("warning: finished an interrupted transaction"),
    exitCode: 0,
  });
  expect((await t.json(["status", "app"])).value).toMatchObject([
    { version: "1.0.0", generation: 1, state: "running", health: "healthy" },
  ]);
  expect(await t.run(["verify"])).toMatchObject({ stdout: "app 1.0.0  ok\n", exitCode: 0 });
  expect(readdirSync(`${t.home}/tmp`)).toEqual([]);
  expect((await t.json(["history", "app"])).value).toMatchObject([
    {},
    { generation: 2, outcome: "failed", reason: "it was interrupted by a crash" },
  ]);
});

test("a script of the way back that asks for a change does not wait for the lock of its own recovery", async () => {
  await using t = testHome();
  const register = `"$AURORA_BIN" ns register app --meta '{"started":true}'`;
  await killedUpgrade(t, { start: `${register}\nsleep 300 &\necho $! > data/pid` });
  expect(await t.run(["recover"])).toMatchObject({
    stdout: "UUID  rolled-back: it was interrupted by a crash\n",
    exitCode: 0,
  });
  expect((await t.json(["status", "app"])).value).toMatchObject([{ version: "1.0.0", health: "healthy" }]);
});

test("any command does it by itself, also one that only looks", async () => {
  await using t = testHome();
  await killedUpgrade(t);
  const { value, stderr } = await t.json(["list"]);
  expect(value).toMatchObject([{ version: "1.0.0", generation: 1, state: "running", health: "healthy" }]);
  expect(stderr).toContain("warning: finished an interrupted transaction");
  expect(await t.json(["list"])).toMatchObject({ stderr: "" });
});

test("a crash is no evidence against a pack: it may be installed again at once", async () => {
  await using t = testHome();
  await killedUpgrade(t);
  t.write({ id: "app", name: "next", version: "2.0.0" });
  expect(await t.run(["install", "./packs/next"])).toMatchObject({ exitCode: 0 });
});

test("a watch ends when there is nothing to watch any more, and does not bring back a home that was removed", async () => {
  await using t = testHome();
  t.write({ id: "app", start: null, stop: null, health: null });
  await t.run(["install", "app", "--confirm-within", "10m"]);
  const watch = () =>
    Bun.spawn([...auroraCommand, "recover", "--watch", "--home", t.home], {
      env: { PATH: Bun.env["PATH"] ?? "" },
      stdout: "pipe",
    });
  const first = watch();
  await t.run(["confirm", "app"]);
  expect(await first.exited).toBe(0);
  expect(await first.stdout.text()).toBe("there is nothing to recover\n");
  t.write({ id: "app", name: "next", version: "2.0.0", start: null, stop: null, health: null });
  await t.run(["install", "./packs/next", "--confirm-within", "10m"]);
  const second = watch();
  // At once: of half a home it would say that it is damaged, and rightly so.
  Bun.spawnSync(["sh", "-c", `mv ${t.home} ${t.home}.gone`]);
  expect(await second.exited).toBe(0);
  expect(existsSync(t.home)).toBe(false);
});

test("scratch of the dead is swept", async () => {
  await using t = testHome();
  await t.run(["ns", "register", "a"]);
  mkdirSync(`${t.home}/tmp/stage-dead/tree`, { recursive: true });
  writeFileSync(`${t.home}/tmp/stage-dead.lock`, "");
  await t.run(["recover"]);
  expect(readdirSync(`${t.home}/tmp`)).toEqual([]);
});

test("who waited while the registry was remade does not write to the old one", async () => {
  await using t = testHome();
  t.write({ id: "app", start: null, stop: null, health: null });
  await t.run(["ns", "register", "other"]);
  const lock = openSync(`${t.home}/run/lock`, "r");
  tryFlock(lock, "exclusive");
  const child = Bun.spawn([...auroraCommand, "ns", "register", "late", "--home", t.home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" },
    stdout: "pipe",
    stderr: "pipe",
    stdin: "ignore",
  });
  while (!openFilesOf(child.pid).includes(`${t.home}/state.db`)) await Bun.sleep(5);
  Bun.spawnSync(["cp", `${t.home}/state.db`, `${t.home}/new.db`]);
  renameSync(`${t.home}/new.db`, `${t.home}/state.db`);
  closeSync(lock);
  expect(await collect(child)).toEqual({
    stdout: "",
    stderr: "error[conflict]: cannot change the home: its registry was remade just now\nhint: try again\n",
    exitCode: 8,
  });
  expect((await t.json(["ns", "list"])).value).toMatchObject([{ pack_id: "other" }]);
});
