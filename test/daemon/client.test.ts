import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";

import { callDaemon, findDaemon, NoDaemon } from "../../src/daemon/client.ts";
import { takeDaemonLock } from "../../src/daemon/daemon-lock.ts";
import { takeSchedulerLock } from "../../src/daemon/jobs/scheduler-lock.ts";
import { toAuroraError } from "../../src/errors.ts";
import { homePaths } from "../../src/system/home.ts";
import { scratch } from "../support/aurora.ts";
import { serviceHome, simplePack } from "./service-home.ts";

test("a daemon that is not there, or does not listen, is none, and no bug", async () => {
  using directory = scratch();
  const paths = { run: `${directory.path}/run` };
  mkdirSync(paths.run);
  const thrown = async () => {
    try {
      return await callDaemon(paths, "GET", "/v1/daemon");
    } catch (error) {
      return error;
    }
  };
  const hint = "try again; aurora daemon status shows whether one runs";
  const none = await thrown();
  expect(none).toBeInstanceOf(NoDaemon);
  expect(toAuroraError(none)).toMatchObject({ code: "failed", message: "there is no daemon", hint });
  expect(await findDaemon(paths)).toBeUndefined();
  // It has the lock and does not listen yet, or not any more.
  const holder = { pid: process.pid, version: "1.0.0", started_at: "2026-01-01T00:00:00.000Z" };
  using _lock = await takeDaemonLock(paths, holder);
  expect(toAuroraError(await thrown())).toMatchObject({
    code: "failed",
    message: expect.stringMatching(/^the daemon does not answer \(\w+\)$/),
    hint,
  });
});

test("who only looks for a daemon, however long, is none", async () => {
  using directory = scratch();
  const paths = homePaths(directory.path);
  mkdirSync(paths.run);
  const looking = async (file: string) => {
    const child = Bun.spawn(["flock", "-s", file, "sh", "-c", "echo; sleep 0.3"], {
      stdout: "pipe",
    });
    await child.stdout.getReader().read();
    return child;
  };
  const first = await looking(`${paths.run}/daemon.lock`);
  const holder = { pid: process.pid, version: "1.0.0", started_at: "2026-01-01T00:00:00.000Z" };
  using daemon = await takeDaemonLock(paths, holder);
  expect(daemon).toBeDefined();
  const second = await looking(`${paths.run}/scheduler.lock`);
  using jobs = takeSchedulerLock({ paths, now: () => new Date(0) }, "test");
  expect(jobs.token).not.toBe("");
  await Promise.all([first.exited, second.exited]);
});

test("a daemon that hangs is told from one that takes its time, by every command that needs it", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  await t.run(["stop", "app"]);
  const pid = t.daemonPid() as number;
  process.kill(pid, "SIGSTOP");
  const hanging = {
    stdout: "",
    stderr: `error[timed-out]: the daemon (pid PID) does not answer\nhint: kill -KILL ${pid} ends it; its services live on, and the next daemon takes them over\n`,
    exitCode: 124,
  };
  const commands = [
    ["daemon", "stop"],
    ["daemon", "reload"],
    ["start", "app"],
  ];
  expect(await Promise.all(commands.map((argv) => t.run(argv)))).toEqual(commands.map(() => hanging));
  // What is said helps.
  process.kill(pid, "SIGKILL");
  expect(await t.run(["start", "app"])).toMatchObject({ stdout: "app is running (pid PID)\n", exitCode: 0 });
}, 60_000);
