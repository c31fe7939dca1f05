import { expect, test } from "bun:test";

import { auroraCommand } from "../../support/aurora.ts";
import { eventually } from "../../support/eventually.ts";
import { daemonPid, testHome } from "../../support/test-home.ts";

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
