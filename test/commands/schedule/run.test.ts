import { expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";

import { hasEnded } from "../../support/test-home.ts";
import { jobsHome, startScheduler, until } from "./jobs-home.ts";

type Run = { name: string; state: string; attempt: number; generation: number | null; reason: string | null };
type Home = Awaited<ReturnType<typeof jobsHome>>;
const history = async (t: Home) => (await t.json(["schedule", "history", "app"])).value as Run[];

test("a job now: its report and its exit code", async () => {
  await using t = await jobsHome(`    - { name: good, every: 1h, run: job.sh }
    - { name: bad, every: 1h, run: [job.sh, fail] }
    - { name: slow, every: 1h, run: [job.sh, sleep], timeout_seconds: 0.2 }
`);
  expect(await t.run(["schedule", "run", "app", "good"])).toEqual({
    stdout: "TIME  app/good  succeeded, by hand, N ms\n    done at TIME\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["schedule", "run", "app", "bad"])).toEqual({
    stdout: "TIME  app/bad  failed, by hand, exit code 3, N ms\n    no luck\n",
    stderr: "",
    exitCode: 1,
  });
  expect(await t.run(["schedule", "run", "--pack", "app", "slow"])).toEqual({
    stdout: "TIME  app/slow  timed-out, by hand, N ms, it did not end in time\n",
    stderr: "",
    exitCode: 124,
  });
  // Its time may be over before it has written anything.
  expect(readFileSync(`${t.home}/data/app/runs`, "utf8")).toStartWith("good 1 1 app\nbad 1 1 app\n");
});

test("a command that is not there", async () => {
  await using t = await jobsHome("");
  await t.run(["schedule", "add", "app", "--name", "a", "--every", "1h", "--", "no-such-program"]);
  const { stdout, stderr, exitCode } = await t.run(["schedule", "run", "app", "a"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 1 });
  expect(stdout).toMatch(/^TIME {2}app\/a {2}failed, by hand, .*"no-such-program"/);
});

test.each([
  [["run"], '"schedule run" needs the name of a job'],
  [["run", "app"], '"schedule run" needs the name of a job'],
  [["run", "app", "nightly", "--drain", "1s"], "--drain and --capacity belong to --foreground"],
  [["run", "app", "nightly", "--foreground"], "--foreground runs all jobs, and takes none by name"],
])("schedule %j is wrong usage", async (words, message) => {
  await using t = await jobsHome();
  expect(await t.run(["schedule", ...words])).toEqual({
    stdout: "",
    stderr: `error[usage]: ${message}\nhint: aurora schedule run PACK NAME, or aurora schedule run --foreground\n`,
    exitCode: 2,
  });
});

test("what runs already does not run twice", async () => {
  await using t = await jobsHome("    - { name: long, every: 1h, run: [job.sh, sleep] }");
  await t.run(["schedule", "add", "app", "--name", "now", "--in", "0s", "--", "./job.sh", "sleep"]);
  const scheduler = await startScheduler(t.home, ["--drain", "0s"]);
  await until(
    () => history(t),
    ([run]) => run?.state === "running",
  );
  expect(await t.run(["schedule", "run", "app", "now"])).toEqual({
    stdout: "",
    stderr:
      'error[conflict]: cannot run the job "app/now": it runs already\nhint: wait for its end, or give it overlap: allow\n',
    exitCode: 8,
  });
  await scheduler.stop();
});

test("--foreground: one process of a home, until a signal; what runs then is ended and goes on in the next one", async () => {
  await using t = await jobsHome("");
  await t.run(["schedule", "add", "app", "--name", "long", "--in", "0s", "--", "./job.sh", "sleep"]);
  const first = await startScheduler(t.home, ["--drain", "100ms"]);
  expect(first.said).toBe(`the jobs of ${t.home} are kept running until SIGTERM or Ctrl-C\n`);
  expect(await t.run(["schedule", "run", "--foreground"])).toEqual({
    stdout: "",
    stderr:
      'error[locked]: cannot run the jobs of this home: "schedule run --foreground" (pid PID, since TIME) does so already\nhint: aurora schedule list shows how they are\n',
    exitCode: 8,
  });
  await until(
    () => history(t),
    ([run]) => run?.state === "running",
  );
  expect(await first.stop("SIGINT")).toEqual({
    stdout: "stopped by SIGINT; interrupted: app/long\n",
    exitCode: 0,
  });
  expect(await history(t)).toMatchObject([{ state: "interrupted", reason: "the scheduler stopped" }]);
  const second = await startScheduler(t.home, ["--drain", "0s", "--json"]);
  expect(
    await until(
      () => history(t),
      (runs) => runs[1]?.state === "running",
    ),
  ).toMatchObject([
    { attempt: 1, state: "interrupted" },
    { attempt: 2, state: "running" },
  ]);
  expect(await second.stop()).toEqual({
    stdout: '{"stopped_by":"SIGTERM","interrupted":["app/long"]}\n',
    exitCode: 0,
  });
});

test("jobs that are added, and packs that are changed, are taken at once; a job is ended before its pack is changed", async () => {
  await using t = await jobsHome("");
  const scheduler = await startScheduler(t.home);
  await t.run(["schedule", "add", "app", "--name", "long", "--in", "0s", "--", "./job.sh", "sleep"]);
  await until(
    () => history(t),
    ([run]) => run?.state === "running",
  );
  t.write("2.0.0", "    - { name: quick, every: 200ms, run: job.sh }", "two");
  expect(await t.run(["install", "./packs/two"])).toMatchObject({ exitCode: 0 });
  const runs = await until(
    () => history(t),
    (all) =>
      all.some(({ name, attempt, state }) => name === "long" && attempt === 2 && state === "running") &&
      all.some(({ name, state }) => name === "quick" && state === "succeeded"),
  );
  expect(runs.filter(({ name }) => name === "long")).toMatchObject([
    { attempt: 1, state: "interrupted", reason: "its pack was changed", generation: 1 },
    { attempt: 2, state: "running", generation: 2 },
  ]);
  expect(await t.run(["remove", "app"])).toMatchObject({ exitCode: 0 });
  expect((await t.json(["schedule", "list"])).value).toEqual([]);
  expect(await scheduler.stop()).toEqual({ stdout: "stopped by SIGTERM\n", exitCode: 0 });
});

test("a transaction also ends a job whose runner was killed; the next process tries it again in the new generation", async () => {
  await using t = await jobsHome("");
  await t.run(["schedule", "add", "app", "--name", "long", "--in", "0s", "--", "./job.sh", "sleep"]);
  const killed = await startScheduler(t.home);
  await until(
    () => history(t),
    ([run]) => run?.state === "running",
  );
  await killed.stop("SIGKILL");
  expect((await t.json(["schedule", "list"])).value).toMatchObject([{ state: "interrupted" }]);
  t.write("2.0.0", "", "two");
  expect(await t.run(["install", "./packs/two"])).toMatchObject({ exitCode: 0 });
  expect(await history(t)).toMatchObject([
    { attempt: 1, state: "interrupted", reason: "its pack was changed" },
  ]);
  const next = await startScheduler(t.home, ["--drain", "0s"]);
  const runs = await until(
    () => history(t),
    (all) => all[1]?.state === "running",
  );
  expect(runs).toMatchObject([{ generation: 1 }, { attempt: 2, generation: 2 }]);
  await next.stop();
});

test("a job that is not confined may change its own pack, and comes to its end", async () => {
  await using t = await jobsHome("");
  t.write("1.1.0", "", "one");
  expect(await t.run(["install", "./packs/one", "--allow-all", "--approve"])).toMatchObject({ exitCode: 0 });
  t.write("2.0.0", "", "two");
  const upgrade = `"$AURORA_BIN" install ${t.packs}/two 2> /dev/null && echo upgraded`;
  await t.run(["schedule", "add", "app", "--name", "self", "--in", "0s", "--", "sh", "-c", upgrade]);
  const scheduler = await startScheduler(t.home);
  expect(
    await until(
      () => history(t),
      ([run]) => run !== undefined && run.state !== "running",
    ),
  ).toMatchObject([{ state: "succeeded", output_tail: expect.stringContaining("upgraded") }]);
  await scheduler.stop();
  expect((await t.json(["list"])).value).toMatchObject([{ version: "2.0.0" }]);
});

test("a job adds a job of its own pack, which runs as well", async () => {
  await using t = await jobsHome("");
  const add = `"$AURORA_BIN" schedule add app --name second --in 0s -- true`;
  await t.run(["schedule", "add", "app", "--name", "first", "--in", "0s", "--", "sh", "-c", add]);
  const scheduler = await startScheduler(t.home);
  const runs = await until(
    () => history(t),
    (all) => all.length === 2 && all.every(({ state }) => state !== "running" && state !== "waiting"),
  );
  expect(runs).toMatchObject([
    { name: "first", state: "succeeded" },
    { name: "second", state: "succeeded" },
  ]);
  await scheduler.stop();
});

test("a home that is removed ends it", async () => {
  await using t = await jobsHome("");
  const scheduler = await startScheduler(t.home);
  Bun.spawnSync(["chmod", "-R", "u+rwX", t.home]);
  rmSync(t.home, { recursive: true });
  while (!hasEnded(scheduler.pid)) await Bun.sleep(20);
  expect(existsSync(t.home)).toBe(false);
  expect(await scheduler.stop()).toMatchObject({ exitCode: 7 });
});
