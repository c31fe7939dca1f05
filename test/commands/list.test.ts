import { expect, test } from "bun:test";

import { testHome } from "../support/test-home.ts";

test("what is installed and what is only staged", async () => {
  await using t = testHome();
  expect(await t.run(["list"])).toEqual({ stdout: "no packs\n", stderr: "", exitCode: 0 });
  t.write({ id: "app" });
  t.write({ id: "waiting", version: "0.2.0" });
  await t.run(["install", "app"]);
  await t.run(["stage", "waiting"]);
  expect(await t.run(["list"])).toEqual({
    stdout: `PACK     VERSION  GENERATION  STATE    HEALTH   DIGEST
app      1.0.0    1           running  healthy  DIGEST
waiting  0.2.0    -           staged   unknown  DIGEST
`,
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["list"])).value).toEqual([
    {
      pack_id: "app",
      version: "1.0.0",
      generation: 1,
      digest: expect.any(String),
      state: "running",
      health: "healthy",
    },
    {
      pack_id: "waiting",
      version: "0.2.0",
      generation: null,
      digest: expect.any(String),
      state: "staged",
      health: "unknown",
    },
  ]);
});
