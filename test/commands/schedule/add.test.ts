import { expect, test } from "bun:test";

import { KEPT_DONE_JOBS } from "../../../src/daemon/jobs/own-jobs.ts";
import { testHome } from "../../support/test-home.ts";
import { jobsHome, startScheduler, until } from "./jobs-home.ts";

test("says what was added, when it runs, and that nothing runs it", async () => {
  await using t = await jobsHome();
  expect(
    await t.shown(["schedule", "add", "app", "--name", "tidy", "--every", "90m", "--", "./job.sh"]),
  ).toEqual({
    stdout:
      "app/tidy is added: every 1h30m, next run MOMENT, in SOME\nnothing runs the jobs of this home: aurora schedule run --foreground does\n",
    stderr: "",
    exitCode: 0,
  });
  const how =
    "--timezone Europe/Berlin --overlap replace --misfire run-all --timeout 10s --retries 2 --jitter 5m --tag gpu --tag cpu=2";
  const words = ["schedule", "add", "--pack", "app", "--name", "all", "--cron=0 3 * * 1-5"];
  const { stdout } = await t.run([...words, ...how.split(" "), "--json", "--", "sh", "-c", "true"]);
  expect(JSON.parse(stdout)).toEqual({
    id: "app/all",
    pack_id: "app",
    name: "all",
    origin: "operator",
    spec: "0 3 * * 1-5 (Europe/Berlin)",
    command: ["sh", "-c", "true"],
    next_run: "TIME",
    next_in_ms: expect.any(Number),
    last_run: null,
    last_rc: null,
    last_state: null,
    state: "scheduled",
    why_not_running: "nothing runs the jobs of this home",
  });
});

test.each([
  [["--every", "1h"], '"schedule add" needs --name NAME'],
  [["--name", "A", "--every", "1h"], 'cannot name a job "A"'],
  [["--name", "a"], '"schedule add" needs a time'],
  [["--name", "a", "--every", "1h", "--in", "1h"], "--every and --in exclude each other"],
  [["--name", "a", "--every", "1ms"], 'cannot read --every "1ms": it is not a time from 100ms to 3660d'],
  [["--name", "a", "--in", "soon"], 'cannot read --in "soon": it is not a time from 0ms to 3660d'],
  [["--name", "a", "--at", "noon"], 'cannot read --at "noon": it is not a time'],
  [["--name", "a", "--at", "2020-01-01"], "cannot run a job at TIME: that is past"],
  [["--name", "a", "--every", "1h", "--timezone", "UTC"], "--timezone has no meaning beside --every"],
  [["--name", "a", "--every", "1h", "--overlap", "twice"], 'cannot read --overlap "twice"'],
  [["--name", "a", "--every", "1h", "--misfire", "all"], 'cannot read --misfire "all"'],
  [
    ["--name", "a", "--every", "1h", "--retries", "101"],
    'cannot read --retries "101": it is not a number from 0 to 100',
  ],
  [["--name", "a", "--every", "1h", "--tag", "g=0"], 'cannot read --tag "g=0"'],
  [["--name", "a", "--every", "1h", "--tag", "g", "--tag", "g"], 'cannot read --tag "g"'],
])("%j is wrong usage", async (options, message) => {
  await using t = await jobsHome("");
  const timezone = options.includes("--at") ? ["--timezone", "UTC"] : [];
  const words = ["schedule", "add", "app", ...options, ...timezone, "--", "true"];
  const { stdout, stderr, exitCode } = await t.run(words);
  expect({ stdout, error: stderr.split("\n")[0], exitCode }).toEqual({
    stdout: "",
    error: `error[usage]: ${message}`,
    exitCode: 2,
  });
});

test("a job keeps the time zone that the operator has, whatever that of the next command or the daemon is", async () => {
  await using t = await jobsHome("");
  const words = ["schedule", "add", "app", "--name", "a", "--cron", "0 3 * * *", "--", "true"];
  await t.run(words, { env: { TZ: "America/New_York" } });
  const list = async (zone: string) =>
    (await t.run(["schedule", "list", "--json"], { env: { TZ: zone } })).stdout;
  expect(await list("Asia/Tokyo")).toContain('"spec":"0 3 * * * (America/New_York)"');
});

test("a cron expression is read at once", async () => {
  await using t = await jobsHome("");
  expect(
    await t.run(["schedule", "add", "app", "--name", "a", "--cron", "61 * * * *", "--", "true"]),
  ).toEqual({
    stdout: "",
    stderr: expect.stringMatching(/^error\[usage\]: .*61/),
    exitCode: 2,
  });
});

test("no command, no pack, and a name that is taken", async () => {
  await using t = await jobsHome();
  expect(await t.run(["schedule", "add", "app", "--name", "a", "--every", "1h"])).toEqual({
    stdout: "",
    stderr:
      'error[usage]: "schedule add" needs a command after "--"\nhint: aurora schedule add PACK --name NAME --every 1h -- CMD…\n',
    exitCode: 2,
  });
  expect(await t.run(["schedule", "add", "nobody", "--name", "a", "--every", "1h", "--", "true"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: the pack "nobody" is not installed\nhint: aurora list shows the packs\n',
    exitCode: 5,
  });
  expect(await t.run(["schedule", "add", "app", "--name", "nightly", "--every", "1h", "--", "true"])).toEqual(
    {
      stdout: "",
      stderr:
        'error[exists]: cannot add the job "nightly": "app" has one of that name\nhint: take another name: that one is in its manifest\n',
      exitCode: 8,
    },
  );
  await t.run(["schedule", "add", "app", "--name", "a", "--every", "1h", "--", "true"]);
  expect(await t.run(["schedule", "add", "app", "--name", "a", "--every", "1h", "--", "true"])).toMatchObject(
    {
      stderr:
        'error[exists]: cannot add the job "a": "app" has one of that name\nhint: aurora schedule remove app a takes it away\n',
      exitCode: 8,
    },
  );
});

test("a script inside a transaction may not add one: it would stay when the transaction goes back", async () => {
  await using t = testHome();
  const install = `[ "$1" = --dry-run ] || "$AURORA_BIN" schedule add app --name a --every 1h -- true`;
  t.write({ id: "app", install });
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 4 });
  const { stdout } = await t.run(["logs", "app"]);
  expect(stdout).toContain(
    'install! error[locked]: cannot add the job "a": this is called from a pack\'s script inside a transaction\n',
  );
});

test("jobs for one moment that have had it make room, the oldest first, and may be added anew", async () => {
  await using t = await jobsHome("");
  const add = (name: string) => t.run(["schedule", "add", "app", "--name", name, "--in", "0s", "--", "true"]);
  for (let i = 0; i <= KEPT_DONE_JOBS; i++) await add(`once-${i}`);
  const scheduler = await startScheduler(t.home);
  const list = async () => (await t.json(["schedule", "list"])).value as { name: string; state: string }[];
  const done = await until(list, (jobs) => jobs.every(({ state }) => state === "done"));
  expect(done).toHaveLength(KEPT_DONE_JOBS + 1);
  await scheduler.stop();
  expect(await add("once-5")).toMatchObject({ exitCode: 0 });
  expect(await add("more")).toMatchObject({ exitCode: 0 });
  expect((await list()).map(({ name }) => name)).toHaveLength(KEPT_DONE_JOBS + 2);
  expect((await list()).find(({ name }) => name === "once-5")?.state).toBe("scheduled");
});
