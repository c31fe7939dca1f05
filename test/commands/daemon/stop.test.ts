import { expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";

import { makeFifo } from "../../../src/system/fifo.ts";
import { auroraCommand } from "../../support/aurora.ts";
import { eventually } from "../../support/eventually.ts";
import { daemonPid, testHome } from "../../support/test-home.ts";

/** It has asked in vain by then. */
const MANY_SLEEPS = 30;

test("where none runs there is nothing to stop", async () => {
  await using t = testHome();
  expect(await t.run(["daemon", "stop"])).toEqual({
    stdout: "no daemon is running\n",
    stderr: "",
    exitCode: 0,
  });
});

test("it has ended when the command returns, and a oneshot pack goes on or is stopped", async () => {
  await using t = testHome();
  t.write({ id: "app", health: null });
  await t.run(["install", "app"]);
  for (const [option, state] of [
    [[], "running"],
    [["--services"], "stopped"],
  ] as const) {
    const daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await eventually("a daemon", async () =>
      (await t.run(["daemon", "status"])).exitCode === 0 ? true : undefined,
    );
    expect((await t.json(["daemon", "stop", ...option])).value).toEqual({ stopped: true, pid: daemon.pid });
    expect(daemonPid(t.home)).toBeUndefined();
    expect(await daemon.exited).toBe(0);
    expect((await t.json(["status", "app"])).value).toMatchObject([{ state }]);
  }
});

test("with --services all is stopped that a dead daemon has left, and what a oneshot pack has", async () => {
  await using t = testHome();
  t.write({ id: "app", health: null });
  t.write({
    id: "web",
    start: "exec sleep 300",
    stop: null,
    health: null,
    manifest: "  service: { type: simple }",
  });
  await t.run(["install", "app", "web"]);
  process.kill(daemonPid(t.home) as number, "SIGKILL");
  expect(await t.run(["daemon", "stop", "--services", "--no-daemon"])).toEqual({
    stdout: "",
    stderr:
      "error[usage]: services are running, and no daemon that could stop them\nhint: leave out --no-daemon\n",
    exitCode: 2,
  });
  expect(await t.run(["daemon", "stop", "--services"])).toEqual({
    stdout: "the daemon (pid PID) has ended\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["status"])).value).toMatchObject([{ state: "stopped" }, { state: "stopped" }]);
  // There is nothing left that one would have to be started for.
  expect(await t.run(["daemon", "stop", "--services"])).toMatchObject({ stdout: "no daemon is running\n" });
});

test("a daemon that does not listen yet is stopped as soon as it does", async () => {
  await using t = testHome();
  t.write({ id: "app", health: null });
  await t.run(["install", "app", "--no-start"]);
  // It takes its lock, and then waits for whoever writes down its services.
  const records = `${t.home}/run/services`;
  rmSync(records, { force: true });
  makeFifo(records, 0o600);
  const daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  await eventually("its lock", () => daemonPid(t.home));
  const stop = Bun.spawn([...auroraCommand, "daemon", "stop", "--home", t.home], { stderr: "ignore" });
  // It goes to sleep between two questions.
  await eventually("many questions", () => sleepsOf(stop.pid) > MANY_SLEEPS || undefined);
  closeSync(openSync(records, "w"));
  expect(await stop.stdout.text()).toBe(`the daemon (pid ${daemon.pid}) has ended\n`);
  expect([await stop.exited, await daemon.exited]).toEqual([0, 0]);
});

function sleepsOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
}
