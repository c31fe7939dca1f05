import { expect, test } from "bun:test";

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
