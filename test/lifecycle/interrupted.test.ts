/** A way back that the machine stops is taken again when it lets one. */
import { expect, test } from "bun:test";
import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";

import { MAX_UNDO_ATTEMPTS } from "../../src/lifecycle/runner.ts";
import { auroraCommand } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

test("an undo that the disk stops is no failed undo: the next command goes on with it", async () => {
  await using at = testHome();
  const first = at.write({ id: "app", version: "1.0.0", name: "one" });
  const second = at.write({
    id: "app",
    version: "2.0.0",
    name: "two",
    start: "touch data/starting; sleep 300",
  });
  await at.run(["install", first]);
  const killed = Bun.spawn([...auroraCommand, "install", second, "--home", at.home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" },
    stdout: "ignore",
    stderr: "ignore",
  });
  while (!existsSync(`${at.home}/data/app/starting`)) await Bun.sleep(5);
  killed.kill("SIGKILL");
  await killed.exited;

  // No script can run without its log.
  const logs = `${at.home}/logs/app`;
  renameSync(logs, `${logs}.away`);
  writeFileSync(logs, "");
  const stopped = await at.run(["recover"]);
  expect(stopped.stdout).toBe("");
  expect(stopped.stderr).toStartWith("error[io]: cannot go back yet: ");
  expect(stopped.stderr).toContain("\nhint: aurora recover goes on with it");
  expect(stopped.exitCode).toBe(1);
  // What there is can be shown all the same, and as often as one likes.
  for (let times = 0; times < MAX_UNDO_ATTEMPTS; times++) {
    const list = await at.run(["list"]);
    expect(list.stderr).toStartWith("warning: cannot go back yet: ");
    expect(list.stdout).toMatch(/^app +1\.0\.0 +1 /m);
    expect(list.exitCode).toBe(0);
  }

  rmSync(logs);
  renameSync(`${logs}.away`, logs);
  expect(await at.run(["recover"])).toMatchObject({
    stdout: "UUID  rolled-back: it was interrupted by a crash\n",
    exitCode: 0,
  });
  expect((await at.json(["status", "app"])).value).toMatchObject([
    { version: "1.0.0", generation: 1, state: "running", health: "healthy" },
  ]);
});
