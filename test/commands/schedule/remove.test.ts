import { expect, test } from "bun:test";

import { jobsHome, startScheduler, until } from "./jobs-home.ts";

test("takes away what was added, with its history", async () => {
  await using t = await jobsHome();
  await t.run(["schedule", "add", "app", "--name", "tidy", "--every", "1h", "--", "true"]);
  await t.run(["schedule", "run", "app", "tidy"]);
  expect(await t.run(["schedule", "remove", "app", "tidy"])).toEqual({
    stdout: "app/tidy is removed\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["schedule", "history", "app"])).toMatchObject({
    stdout: "nothing has run yet\n",
    exitCode: 0,
  });
  expect(await t.run(["schedule", "remove", "app", "tidy"])).toEqual({
    stdout: "",
    stderr:
      'error[not-found]: the pack "app" has no job "tidy"\nhint: aurora schedule list app shows its jobs\n',
    exitCode: 5,
  });
});

test("what runs of it is ended", async () => {
  await using t = await jobsHome("");
  await t.run(["schedule", "add", "app", "--name", "long", "--in", "0s", "--", "./job.sh", "sleep"]);
  const scheduler = await startScheduler(t.home);
  const states = async () =>
    ((await t.json(["schedule", "history", "app"])).value as { state: string }[]).map(({ state }) => state);
  await until(states, ([state]) => state === "running");
  expect((await t.json(["schedule", "remove", "app", "long"])).value).toEqual({
    id: "app/long",
    pack_id: "app",
    name: "long",
    removed: true,
  });
  expect(await until(states, ([state]) => state !== "running")).toEqual(["cancelled"]);
  await scheduler.stop();
});

test("one of the manifest is not removed", async () => {
  await using t = await jobsHome();
  expect(await t.run(["schedule", "remove", "app", "nightly"])).toEqual({
    stdout: "",
    stderr:
      'error[conflict]: cannot remove the job "nightly": it is in the manifest of "app"\nhint: aurora schedule pause app nightly keeps it from running\n',
    exitCode: 8,
  });
  expect(await t.run(["schedule", "remove", "app", "nihgtly"])).toMatchObject({
    stderr: 'error[not-found]: the pack "app" has no job "nihgtly"\nhint: did you mean "nightly"?\n',
    exitCode: 5,
  });
});
