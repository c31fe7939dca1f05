import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { hasEnded, testHome } from "../support/test-home.ts";

test("stops and starts again, also what was stopped", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  const first = Number(readFileSync(`${t.home}/data/app/pid`, "utf8"));
  expect(await t.run(["restart", "app"])).toEqual({
    stdout: "app is running (pid PID)\n",
    stderr: "",
    exitCode: 0,
  });
  const second = Number(readFileSync(`${t.home}/data/app/pid`, "utf8"));
  expect([first, second].map(hasEnded)).toEqual([true, false]);
  await t.run(["stop", "app"]);
  expect((await t.json(["restart", "app"])).value).toEqual([
    { pack_id: "app", state: "running", pid: expect.any(Number), changed: true },
  ]);
});
