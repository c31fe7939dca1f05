import { expect, test } from "bun:test";

import { jobsHome, startScheduler, until } from "./jobs-home.ts";

test("ends a pause, also for a process that runs the jobs already", async () => {
  await using t = await jobsHome("    - { name: quick, every: 200ms, run: job.sh }");
  expect(await t.run(["schedule", "pause", "app", "quick"])).toMatchObject({ exitCode: 0 });
  const scheduler = await startScheduler(t.home);
  expect(await t.run(["schedule", "resume", "app", "quick"])).toEqual({
    stdout: "app/quick goes on\n",
    stderr: "",
    exitCode: 0,
  });
  const states = async () =>
    ((await t.json(["schedule", "history", "app"])).value as { state: string }[]).map(({ state }) => state);
  await until(states, (all) => all.filter((state) => state === "succeeded").length >= 2);
  await scheduler.stop();
  expect(await t.run(["schedule", "resume", "app", "quick"])).toMatchObject({
    stdout: "app/quick was not paused\n",
  });
  expect((await t.json(["schedule", "resume", "--all"])).value).toEqual({
    kind: "all",
    name: "",
    paused: false,
    changed: false,
  });
});

test("wrong usage", async () => {
  await using t = await jobsHome("");
  expect(await t.run(["schedule", "resume"])).toEqual({
    stdout: "",
    stderr:
      'error[usage]: "schedule resume" needs a job\nhint: aurora schedule resume PACK NAME, --tag TAG, or --all\n',
    exitCode: 2,
  });
});
