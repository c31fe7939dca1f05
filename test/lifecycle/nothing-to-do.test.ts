/** A start of what runs and a stop of what is stopped do nothing, and no less than what they promise. */
import { expect, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from "node:fs";

import { tryFlock } from "../../src/system/flock.ts";
import { serviceHome, simplePack } from "../daemon/service-home.ts";
import { eventually } from "../support/eventually.ts";

async function homeWithBoth(t: ReturnType<typeof serviceHome>): Promise<void> {
  t.write(simplePack());
  t.write({ id: "idle" });
  expect(await t.run(["install", "app", "idle"])).toMatchObject({ exitCode: 0 });
  await t.run(["stop", "idle"]);
}

const alreadyRunning = { stdout: "app is already running (pid PID)\n", stderr: "", exitCode: 0 };
const alreadyStopped = { stdout: "idle is already stopped\n", stderr: "", exitCode: 0 };

test("they wait for whoever is at work", async () => {
  await using t = serviceHome();
  await homeWithBoth(t);
  const lock = openSync(`${t.home}/run/lock`, "r");
  expect(tryFlock(lock, "exclusive")).toBe(true);
  for (const command of ["start app", "stop idle"])
    expect(await t.run([...command.split(" "), "--wait", "100ms"])).toEqual({
      stdout: "",
      stderr: `error[locked]: cannot ${command}: another command is at work and did not end within N ms
hint: try again, or wait longer with --wait 60s
`,
      exitCode: 8,
    });
  closeSync(lock);
  expect(await t.run(["start", "app"])).toEqual(alreadyRunning);
  expect(await t.run(["stop", "idle"])).toEqual(alreadyStopped);
});

test("they finish what a crash has left", async () => {
  await using t = serviceHome();
  await homeWithBoth(t);
  for (const [command, id] of [
    ["start", "app"],
    ["stop", "idle"],
  ] as const) {
    const left = `${t.home}/tmp/stage-${command}`;
    mkdirSync(left);
    writeFileSync(`${left}.lock`, "");
    expect(await t.run([command, id])).toMatchObject({ exitCode: 0 });
    expect([existsSync(left), existsSync(`${left}.lock`)]).toEqual([false, false]);
  }
});

test("what runs without a daemon gets one, unless that is forbidden", async () => {
  await using t = serviceHome();
  await homeWithBoth(t);
  await t.crashDaemon();
  expect(await t.run(["start", "app", "--no-daemon"])).toMatchObject({ stdout: "", exitCode: 1 });
  expect(await t.run(["daemon", "status"])).toMatchObject({ exitCode: 3 });
  expect(await t.run(["start", "app"])).toEqual(alreadyRunning);
  expect(await t.run(["daemon", "status"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["start", "app", "--no-daemon"])).toMatchObject({ stdout: "", exitCode: 1 });
});

test("what is down until the next daemon starts it is stopped for good", async () => {
  await using t = serviceHome();
  await homeWithBoth(t);
  const status = () => t.status();
  await t.run(["daemon", "stop", "--services"]);
  expect(await status()).toMatchObject({ state: "stopped" });
  expect(await t.run(["stop", "app"])).toMatchObject({ exitCode: 0 });
  // The next daemon, which something else needs, leaves it alone.
  t.write(simplePack({ id: "other" }));
  expect(await t.run(["install", "other"])).toMatchObject({ exitCode: 0 });
  await eventually("the other one", async () => (await t.status("other")).state === "running" || undefined);
  expect(await status()).toMatchObject({ state: "stopped", pid: null });
});
