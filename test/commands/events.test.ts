import { expect, test } from "bun:test";

import { auroraCommand } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

test("what has happened, oldest first, for all packs or one", async () => {
  await using t = testHome();
  expect(await t.run(["events"])).toEqual({ stdout: "no events\n", stderr: "", exitCode: 0 });
  await t.run(["ns", "register", "b"]);
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  const { stdout, stderr, exitCode } = await t.run(["events", "app"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/\s{2,}/)[2]),
  ).toEqual(["staged", "transaction-began", "started", "healthy", "committed"]);
  expect((await t.json(["events", "-n", "1"])).value).toEqual([
    {
      id: expect.any(Number),
      at: expect.stringMatching(/Z$/),
      pack_id: "app",
      kind: "committed",
      detail: { transaction: expect.any(String), kind: "install", generation: 1 },
    },
  ]);
  expect((await t.run(["events"])).stdout).toContain("TIME  b  namespace-registered  revision=1\n");
  expect(await t.run(["events", "b"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["events", "apo"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: the pack "apo" is not known\nhint: did you mean "app"?\n',
    exitCode: 5,
  });
  expect(await t.run(["verify", "apo"])).toMatchObject({
    stderr: 'error[not-found]: the pack "apo" is not installed\nhint: did you mean "app"?\n',
    exitCode: 5,
  });
});

test("-f goes on with new ones as JSON lines", async () => {
  await using t = testHome();
  await t.run(["ns", "register", "a"]);
  const follower = Bun.spawn([...auroraCommand, "events", "-f", "--json", "--home", t.home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/" },
    stdout: "pipe",
  });
  let shown = "";
  for await (const chunk of follower.stdout) {
    const isFirst = shown === "";
    shown += new TextDecoder().decode(chunk);
    if (isFirst) await t.run(["ns", "register", "b"]);
    else follower.kill("SIGINT");
  }
  const events = shown
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { pack_id: string; kind: string });
  expect(events.map(({ pack_id, kind }) => `${pack_id} ${kind}`)).toEqual([
    "a namespace-registered",
    "b namespace-registered",
  ]);
});

test("wrong usage", async () => {
  await using t = testHome();
  expect(await t.run(["events", "-n", "x"])).toMatchObject({
    stderr: 'error[usage]: cannot read -n "x": it is not a number of events\n',
    exitCode: 2,
  });
});
