import { expect, test } from "bun:test";

import { jobsHome } from "./jobs-home.ts";

const jobs = `    - { name: a, every: 1h, run: job.sh, tags: { gpu: 1 } }
    - { name: b, every: 1h, run: job.sh }
`;

test("a job, a tag, everything: each shows in the list", async () => {
  await using t = await jobsHome(jobs);
  const standing = async () =>
    (
      (await t.json(["schedule", "list"])).value as {
        state: string;
        why_not_running: string;
        next_run: string | null;
      }[]
    ).map(
      ({ state, why_not_running, next_run }) =>
        `${state}: ${why_not_running}${next_run === null ? ", no next run" : ""}`,
    );
  expect(await t.run(["schedule", "pause", "app", "b"])).toEqual({
    stdout: "app/b is paused; what runs goes on\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["schedule", "pause", "--pack", "app", "b"])).toEqual({
    stdout: "app/b was paused already\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["schedule", "pause", "--tag", "gpu"])).value).toEqual({
    kind: "tag",
    name: "gpu",
    paused: true,
    changed: true,
  });
  expect(await standing()).toEqual([
    'paused: the tag "gpu" is paused, no next run',
    "paused: the job is paused, no next run",
  ]);
  expect(await t.run(["schedule", "pause", "--all"])).toMatchObject({
    stdout: "everything is paused; what runs goes on\n",
  });
  expect((await standing())[0]).toBe("paused: everything is paused, no next run");
});

test("a pause of a job of the manifest holds over an upgrade and a rollback", async () => {
  await using t = await jobsHome(jobs);
  await t.run(["schedule", "pause", "app", "a"]);
  t.write("2.0.0", jobs, "two");
  const state = async () => ((await t.json(["schedule", "list"])).value as { state: string }[])[0]?.state;
  await t.run(["install", "./packs/two"]);
  expect(await state()).toBe("paused");
  await t.run(["rollback", "app"]);
  expect(await state()).toBe("paused");
});

test.each([
  [["pause"], '"schedule pause" needs a job'],
  [["pause", "app"], '"schedule pause" needs the name of a job'],
  [["pause", "app", "a", "--all"], "one at a time"],
  [["pause", "--tag", "gpu", "--all"], "one at a time"],
])("schedule %j is wrong usage", async (words, message) => {
  await using t = await jobsHome(jobs);
  expect(await t.run(["schedule", ...words])).toEqual({
    stdout: "",
    stderr: `error[usage]: ${message}\nhint: aurora schedule pause PACK NAME, --tag TAG, or --all\n`,
    exitCode: 2,
  });
});

test("an unknown job", async () => {
  await using t = await jobsHome(jobs);
  expect(await t.run(["schedule", "pause", "app", "other"])).toMatchObject({
    stdout: "",
    stderr:
      'error[not-found]: the pack "app" has no job "other"\nhint: aurora schedule list app shows its jobs\n',
    exitCode: 5,
  });
});
