import { expect, test } from "bun:test";

import { jobsHome } from "./jobs-home.ts";

const jobs = `    - { name: good, every: 1h, run: job.sh }
    - { name: bad, every: 1h, run: [job.sh, fail] }
    - { name: slow, every: 1h, run: [job.sh, sleep], timeout_seconds: 0.2 }
`;

test("exit code, duration, and what was printed last; an error is seen in why too", async () => {
  await using t = await jobsHome(jobs);
  await t.run(["schedule", "run", "app", "good"]);
  await t.run(["schedule", "run", "app", "bad"]);
  await t.run(["schedule", "run", "app", "slow"]);
  expect(await t.run(["schedule", "history", "app"])).toEqual({
    stdout: `TIME  app/good  succeeded, by hand, N ms
    done at TIME
TIME  app/bad  failed, by hand, exit code 3, N ms
    no luck
TIME  app/slow  timed-out, by hand, N ms, it did not end in time
`,
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["schedule", "history", "app", "bad", "-n", "1"])).value).toEqual([
    {
      id: "app/bad",
      pack_id: "app",
      name: "bad",
      scheduled_at: expect.stringMatching(/Z$/),
      attempt: 1,
      state: "failed",
      cause: "manual",
      count: 1,
      generation: 1,
      started_at: expect.stringMatching(/Z$/),
      duration_ms: expect.any(Number),
      rc: 3,
      output_tail: "no luck",
      reason: "it ended with exit code 3",
      retry_at: null,
    },
  ]);
  const why = await t.run(["why", "app"]);
  expect(why.stdout).toMatch(
    /; the last run of its job "bad" went wrong at TIME \(it ended with exit code 3\), and so did "slow"\n/,
  );
  expect(why.stdout).toEndWith("next: aurora schedule history app bad\n");
  expect((await t.run(["logs", "app"])).stdout).toBe("TIME job:good: done at TIME\nTIME job:bad! no luck\n");
});

test("a job that the live version does not have is nothing to do anything about", async () => {
  await using t = await jobsHome(jobs);
  await t.run(["schedule", "run", "app", "bad"]);
  t.write("2.0.0", "    - { name: good, every: 1h, run: job.sh }\n", "next");
  await t.run(["install", "./packs/next"]);
  const why = await t.run(["why", "app"]);
  expect(why.stdout).not.toContain("bad");
  expect(why.stdout).toEndWith("next: aurora status app\n");
  await t.run(["rollback", "app"]);
  expect((await t.run(["why", "app"])).stdout).toEndWith("next: aurora schedule history app bad\n");
});

test("nothing yet, and what there is not", async () => {
  await using t = await jobsHome(jobs);
  expect(await t.run(["schedule", "history", "app", "good"])).toEqual({
    stdout: "nothing has run yet\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["schedule", "history", "app", "goof"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: the pack "app" has no job "goof"\nhint: did you mean "good"?\n',
    exitCode: 5,
  });
  expect(await t.run(["schedule", "history", "app", "-n", "none"])).toMatchObject({
    stderr: 'error[usage]: cannot read --number "none": it is not a number from 1 to 10000\n',
    exitCode: 2,
  });
});
