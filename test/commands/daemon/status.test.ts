import { expect, test } from "bun:test";

import { asOrdinaryUser, aurora, auroraCommand, canBeOrdinaryUser } from "../../support/aurora.ts";
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

// Only root has somebody else to be.
test.skipIf(asOrdinaryUser.length === 0 || !canBeOrdinaryUser)(
  "the home of another user is not said to have none (needs root)",
  async () => {
    await using t = testHome();
    const run = await aurora(["daemon", "status"], { home: t.home, cwd: "/", prefix: asOrdinaryUser });
    expect(run).toEqual({
      stdout: "",
      stderr: `error[home-unusable]: cannot open "${t.home}/run/daemon.lock": permission denied\nhint: call aurora as the user who owns the home, or give another --home DIR\n`,
      exitCode: 1,
    });
  },
);

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
