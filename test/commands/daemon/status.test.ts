import { expect, test } from "bun:test";

import { auroraCommand } from "../../support/aurora.ts";
import { eventually } from "../../support/eventually.ts";
import { daemonPid, testHome } from "../../support/test-home.ts";

test("no daemon: the exit code says so, and nothing is created", async () => {
  await using t = testHome();
  expect(await t.run(["daemon", "status"])).toEqual({
    stdout: "no daemon is running\n",
    stderr: "",
    exitCode: 3,
  });
  expect((await t.json(["daemon", "status"])).value).toEqual({ running: false, pid: null });
});

test("a daemon that runs, and one that does not answer", async () => {
  await using t = testHome();
  const daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home, "--idle-exit", "1h"], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  await eventually("a daemon", async () =>
    (await t.run(["daemon", "status"])).exitCode === 0 ? true : undefined,
  );
  const { stdout } = await t.run(["daemon", "status"]);
  expect(stdout.replace(/version \S+/, "version V")).toBe(`the daemon is running (pid PID, version V for N ms)
socket    DIR/home/run/aurora.sock
services  0
ends      after 1 h 0 m without anything to do
`);
  process.kill(daemonPid(t.home) as number, "SIGSTOP");
  expect(await t.run(["daemon", "status"])).toEqual({
    stdout: "the daemon (pid PID) is starting, or does not answer\n",
    stderr: "",
    exitCode: 3,
  });
  process.kill(daemon.pid, "SIGCONT");
  daemon.kill();
  await daemon.exited;
});
