import { expect, test } from "bun:test";

import { testHome } from "../support/test-home.ts";

test("generations with their parents and outcomes, each chained to the one before", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  t.write({ id: "app", name: "sick", version: "2.0.0", health: "exit 1", isSick: true });
  await t.run(["install", "app"]);
  await t.run(["install", "./packs/sick"]);
  expect(await t.run(["history", "app"])).toEqual({
    stdout: `GENERATION  PARENT  VERSION  AT    OUTCOME    REASON
1           -       1.0.0    TIME  committed
2           1       2.0.0    TIME  failed     app: it is not healthy: its health check ended with exit code 1
`.replaceAll("AT    OUTCOME", "AT                        OUTCOME"),
    stderr: "",
    exitCode: 0,
  });
  const entries = (await t.json(["history", "app"])).value as { previous_hash: string; hash: string }[];
  expect(entries[0]).toEqual({
    generation: 1,
    parent: null,
    version: "1.0.0",
    digest: expect.stringMatching(/^sha256:/),
    at: expect.stringMatching(/Z$/),
    outcome: "committed",
    reason: null,
    transaction: expect.any(String),
    previous_hash: "0".repeat(64),
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  } as never);
  expect(entries[1]?.previous_hash).toBe(entries[0]?.hash as string);
});

test("a pack without one", async () => {
  await using t = testHome();
  expect(await t.run(["history", "app"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: the pack "app" has no history\nhint: aurora list shows the packs\n',
    exitCode: 5,
  });
});
