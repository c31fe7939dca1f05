import { expect, test } from "bun:test";

import { jobsHome } from "./jobs-home.ts";

test("the next runs of all jobs, earliest first, in words and local time", async () => {
  await using t = await jobsHome(`    - { name: often, every: 1h, run: job.sh }
    - { name: later, every: 150m, run: job.sh }
    - { name: held, every: 1m, run: job.sh }
`);
  await t.run(["schedule", "pause", "app", "held"]);
  expect(await t.shown(["schedule", "next", "-n", "4"])).toEqual({
    stdout: `WHEN  JOB  NOTE
MOMENT, in SOME  app/often  nothing runs the jobs of this home
MOMENT, in SOME  app/often  nothing runs the jobs of this home
MOMENT, in SOME  app/later  nothing runs the jobs of this home
MOMENT, in SOME  app/often  nothing runs the jobs of this home
`,
    stderr: "",
    exitCode: 0,
  });
  const { value } = await t.json(["schedule", "next", "app", "-n", "2"]);
  const [first, second] = value as { at: string; scheduled_at: string }[];
  expect(value).toEqual([
    {
      id: "app/often",
      pack_id: "app",
      name: "often",
      scheduled_at: first?.at,
      at: expect.stringMatching(/Z$/),
      in_ms: expect.any(Number),
      why_not_running: "nothing runs the jobs of this home",
    },
    expect.objectContaining({ name: "often" }),
  ]);
  expect(Date.parse(second?.at ?? "") - Date.parse(first?.at ?? "")).toBe(3_600_000);
});

test("none, and wrong usage", async () => {
  await using t = await jobsHome("");
  expect(await t.run(["schedule", "next"])).toEqual({
    stdout: "no run is to come\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["schedule", "next", "-n", "0"])).toEqual({
    stdout: "",
    stderr: 'error[usage]: cannot read --number "0": it is not a number from 1 to 1000\n',
    exitCode: 2,
  });
});
