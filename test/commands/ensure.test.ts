import { expect, test } from "bun:test";

import { testHome } from "../support/test-home.ts";

test("ensure installs what is missing, does nothing where all is well, and starts what was stopped", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  expect(await t.run(["ensure", "app"])).toEqual({
    stdout: "committed\napp 1.0.0, generation 1, healthy\n",
    stderr: "dry-run app\ninstall app\nswitch app\nstart app\nhealth app\n",
    exitCode: 0,
  });
  expect(await t.run(["ensure", "app"])).toEqual({
    stdout: "nothing changes\napp 1.0.0, generation 1, healthy\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["ensure", "app"])).value).toMatchObject({
    changed: false,
    state: "committed",
    reason: "nothing changes",
  });

  await t.run(["stop", "app"]);
  const { value, exitCode } = await t.json(["ensure", "app"]);
  expect({ value, exitCode }).toMatchObject({
    value: { changed: true, state: "committed", packs: [{ generation: 1, health: "healthy" }] },
    exitCode: 0,
  });
  expect(await t.run(["status", "app"])).toMatchObject({ exitCode: 0 });
});

test("--no-start leaves a stopped pack alone", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app", "--no-start"]);
  expect(await t.run(["ensure", "app", "--no-start"])).toMatchObject({
    stdout: "nothing changes\napp 1.0.0, generation 1\n",
    exitCode: 0,
  });
  expect(await t.run(["status", "app"])).toMatchObject({ exitCode: 3 });
});

test("a pack that does not get healthy: exit 4", async () => {
  await using t = testHome();
  t.write({ id: "app", health: "[ -e data/well ]", isSick: true });
  await t.run(["install", "app", "--no-start"]);
  expect(await t.run(["ensure", "app"])).toEqual({
    stdout: "",
    stderr: `error[unhealthy]: "app" was started, but it is not healthy: its health check ended with exit code 1
hint: aurora logs app shows what it printed
`,
    exitCode: 4,
  });
});
