import { expect, test } from "bun:test";

import { auroraCommand, collect } from "../../support/aurora.ts";
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
  const started = () =>
    t.json(["daemon", "status"]).then(({ value }) => (value as { started_at?: string }).started_at);
  const before = await eventually("a daemon", started);
  expect((await t.json(["daemon", "reload"])).value).toMatchObject({ reloaded: true, pid: daemon.pid });
  daemon.kill("SIGHUP");
  expect((await t.json(["daemon", "reload", "--binary"])).value).toMatchObject({
    reloaded: true,
    pid: daemon.pid,
  });
  expect(await started()).not.toBe(before);
  daemon.kill();
  const { stderr, exitCode } = await collect(daemon);
  const said = stderr
    .split("\n")
    .map((line) => line.replace(/^\S+Z /, "").replace(/ listens on .*/, " listens"));
  expect(said.filter((line) => line === "looked at the home anew")).toHaveLength(2);
  expect(said.slice(-4)).toEqual([
    "ending: become-binary",
    expect.stringMatching(/^aurora \S+ listens$/),
    "ending: stop",
    "",
  ]);
  expect(exitCode).toBe(0);
});
