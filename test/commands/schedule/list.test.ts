import { expect, test } from "bun:test";

import { aurora, scratch } from "../../support/aurora.ts";
import { jobsHome, startScheduler, until } from "./jobs-home.ts";

type View = { name: string; state: string; last_rc: number | null; why_not_running: string | null };

test("a table, and below it why nothing runs", async () => {
  await using t = await jobsHome();
  await t.run(["schedule", "add", "app", "--name", "tidy", "--every", "1h", "--", "true"]);
  expect(await t.shown(["schedule", "list"])).toEqual({
    stdout: `JOB  WHEN  STATE  NEXT RUN  LAST RUN
app/nightly  0 3 * * * (Europe/Berlin)  scheduled  MOMENT, in SOME  -
app/tidy  every 1h  scheduled  MOMENT, in SOME  -
all: nothing runs the jobs of this home
`,
    stderr: "",
    exitCode: 0,
  });
});

test("how the last run went, and states of all kinds", async () => {
  await using t = await jobsHome(`    - { name: works, every: 1h, run: job.sh }
    - { name: fails, every: 1h, run: [job.sh, fail] }
    - { name: held, every: 1h, run: job.sh, tags: { gpu: 1 } }
`);
  await t.run(["schedule", "run", "app", "works"]);
  await t.run(["schedule", "run", "app", "fails"]);
  await t.run(["schedule", "pause", "--tag", "gpu"]);
  await t.run(["schedule", "add", "app", "--name", "long", "--in", "0s", "--", "./job.sh", "sleep"]);
  const scheduler = await startScheduler(t.home, ["--drain", "0s"]);
  const list = async () => (await t.json(["schedule", "list", "app"])).value as View[];
  await until(list, (jobs) => jobs.some(({ state }) => state === "running"));
  expect(await t.shown(["schedule", "list"])).toEqual({
    stdout: `JOB  WHEN  STATE  NEXT RUN  LAST RUN
app/fails  every 1h  scheduled  MOMENT, in SOME  TIME, failed (exit code 3)
app/held  every 1h  paused  -  -
app/long  at TIME  running  -  -
app/works  every 1h  scheduled  MOMENT, in SOME  TIME, succeeded
app/held: the tag "gpu" is paused
`,
    stderr: "",
    exitCode: 0,
  });
  await scheduler.stop();
});

test("jobs of the manifest come and go with what is live; those of operators stay until the pack goes", async () => {
  await using t = await jobsHome("    - { name: first, every: 1h, run: job.sh }");
  await t.run(["schedule", "add", "app", "--name", "own", "--every", "1h", "--", "true"]);
  const names = async () => ((await t.json(["schedule", "list"])).value as View[]).map(({ name }) => name);
  expect(await names()).toEqual(["first", "own"]);
  t.write("2.0.0", "    - { name: second, every: 1h, run: job.sh }", "two");
  expect(await t.run(["install", "./packs/two"])).toMatchObject({ exitCode: 0 });
  expect(await names()).toEqual(["own", "second"]);
  expect(await t.run(["rollback", "app"])).toMatchObject({ exitCode: 0 });
  expect(await names()).toEqual(["first", "own"]);
  expect(await t.run(["remove", "app"])).toMatchObject({ exitCode: 0 });
  expect(await names()).toEqual([]);
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
  expect(await names()).toEqual(["first"]);
});

test("no jobs, no home, no such pack", async () => {
  using directory = scratch();
  const home = `${directory.path}/home`;
  expect(await aurora(["schedule", "list"], { home })).toEqual({
    stdout: "there are no jobs\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await aurora(["schedule", "list", "app"], { home })).toEqual({
    stdout: "",
    stderr: 'error[not-found]: the pack "app" is not installed\nhint: aurora list shows the packs\n',
    exitCode: 5,
  });
});
