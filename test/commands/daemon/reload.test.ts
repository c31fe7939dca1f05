import { expect, test } from "bun:test";
import { copyFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";

import { auroraCommand } from "../../support/aurora.ts";
import { eventually } from "../../support/eventually.ts";
import { testHome } from "../../support/test-home.ts";

test("where none runs", async () => {
  await using t = testHome();
  expect(await t.run(["daemon", "reload"])).toEqual({
    stdout: "no daemon is running\n",
    stderr: "",
    exitCode: 3,
  });
});

test("it looks at the home anew, by command and by SIGHUP, and with --binary it is another program with the same pid", async () => {
  await using t = testHome();
  const daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const reading = (async () => {
    for await (const chunk of daemon.stderr) text += new TextDecoder().decode(chunk);
  })();
  const looks = () => text.match(/looked at the home anew\n/g)?.length ?? 0;
  const started = () =>
    t.json(["daemon", "status"]).then(({ value }) => (value as { started_at?: string }).started_at);
  const before = await eventually("a daemon", started);
  expect((await t.json(["daemon", "reload"])).value).toMatchObject({ reloaded: true, pid: daemon.pid });
  await eventually("the first look", () => looks() === 1 || undefined);
  daemon.kill("SIGHUP");
  await eventually("the second look", () => looks() === 2 || undefined);
  expect((await t.json(["daemon", "reload", "--binary"])).value).toMatchObject({
    reloaded: true,
    pid: daemon.pid,
  });
  expect(await started()).not.toBe(before);
  daemon.kill();
  const exitCode = await daemon.exited;
  await reading;
  const said = text
    .split("\n")
    .map((line) => line.replace(/^\S+Z /, "").replace(/ listens on .*/, " listens"));
  expect(looks()).toBe(2);
  expect(said.slice(-4)).toEqual([
    "ending: become-binary",
    expect.stringMatching(/^aurora \S+ listens$/),
    "ending: stop",
    "",
  ]);
  expect(exitCode).toBe(0);
});

// Only a program file of its own can be replaced by a broken one.
const binary = Bun.env["AURORA_BINARY"];
test.skipIf(binary === undefined)(
  "--binary refuses a program file that does not run, and the daemon goes on (needs AURORA_BINARY)",
  async () => {
    await using t = testHome();
    const own = `${t.shared}/aurora`;
    copyFileSync(binary ?? "", own);
    const daemon = Bun.spawn([own, "daemon", "--home", t.home], { stdio: ["ignore", "ignore", "ignore"] });
    const status = () =>
      t.json(["daemon", "status"]).then(({ value }) => (value as { started_at?: string }).started_at);
    const before = await eventually("a daemon", status);
    rmSync(own);
    writeFileSync(own, "no program\n", { mode: 0o755 });
    expect(await t.run(["daemon", "reload", "--binary"])).toEqual({
      stdout: "",
      stderr: expect.stringMatching(
        /^error\[conflict\]: cannot become "DIR\/shared\/aurora": .+\nhint: put a program that works in its place; the daemon runs on as it is\n$/,
      ),
      exitCode: 8,
    });
    expect(await status()).toBe(before);
    rmSync(own);
    copyFileSync(binary ?? "", own);
    expect((await t.json(["daemon", "reload", "--binary"])).value).toMatchObject({ pid: daemon.pid });
    expect(await status()).not.toBe(before);
    daemon.kill();
    expect(await daemon.exited).toBe(0);
  },
);

/** In the daemon's place, it says its version, and as the daemon waits for `go` before it is Aurora. */
const slowProgram = (aurora: string, go: string) => `#!/bin/sh
[ "$1" = daemon ] || exec ${aurora} "$@"
read -r _ < ${go}
exec ${aurora} "$@"
`;

test.skipIf(binary === undefined)(
  "while the daemon becomes another program nobody else can be the daemon",
  async () => {
    await using t = testHome();
    const [own, go] = [`${t.shared}/aurora`, `${t.shared}/go`];
    copyFileSync(binary ?? "", own);
    Bun.spawnSync(["mkfifo", go]);
    const daemon = Bun.spawn([own, "daemon", "--home", t.home], { stdio: ["ignore", "ignore", "ignore"] });
    const status = () => t.json(["daemon", "status"]).then(({ value }) => value as DaemonStatus);
    const before = await eventually("a daemon", async () => (await status()).started_at);
    rmSync(own);
    writeFileSync(own, slowProgram(binary ?? "", go), { mode: 0o755 });
    const reloading = t.json(["daemon", "reload", "--binary"]);
    // It is the shell by now, which holds the lock and knows nothing of it.
    await eventually("the other program", () => isShell(daemon.pid) || undefined);
    expect(await t.run(["daemon", "--idle-exit", "60s"])).toEqual({
      stdout: "",
      stderr:
        "error[conflict]: cannot start the daemon: one is running for this home (pid PID)\nhint: aurora daemon status shows it\n",
      exitCode: 8,
    });
    writeFileSync(go, "\n");
    expect((await reloading).value).toMatchObject({ reloaded: true, pid: daemon.pid });
    expect((await status()).started_at).not.toBe(before);
    daemon.kill();
    expect(await daemon.exited).toBe(0);
    // It was its own again, and let go of.
    expect(await t.json(["daemon", "status"])).toMatchObject({ value: { running: false }, exitCode: 3 });
  },
);

type DaemonStatus = { pid?: number; started_at?: string };

function isShell(pid: number): boolean {
  return !readlinkSync(`/proc/${pid}/exe`).endsWith("/aurora");
}
