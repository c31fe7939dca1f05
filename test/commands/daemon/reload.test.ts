import { expect, test } from "bun:test";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";

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
