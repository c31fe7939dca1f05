import { describe, expect, test } from "bun:test";

import { aurora } from "../../support/aurora.ts";

const berlin = ["--timezone", "Europe/Berlin"];

test("says it in words and lists the next runs", async () => {
  expect(
    await aurora(["schedule", "explain", "0 3 * * 1-5", ...berlin, "--from", "2026-03-27T12:00", "-n", "2"]),
  ).toEqual({
    stdout: `at 03:00, on Monday to Friday (Europe/Berlin)

LOCAL TIME                   UTC                       NOTE
Mon 2026-03-30 03:00 +02:00  2026-03-30T01:00:00.000Z
Tue 2026-03-31 03:00 +02:00  2026-03-31T01:00:00.000Z
`,
    stderr: "",
    exitCode: 0,
  });
});

test("notes what a change of the clocks does to a run", async () => {
  const spring = await aurora([
    "schedule",
    "explain",
    "30 2 * * *",
    ...berlin,
    "--from",
    "2026-03-28",
    "-n",
    "3",
  ]);
  expect(spring.stdout).toBe(`at 02:30 (Europe/Berlin)

LOCAL TIME                   UTC                       NOTE
Sat 2026-03-28 02:30 +01:00  2026-03-28T01:30:00.000Z
Sun 2026-03-29 03:00 +02:00  2026-03-29T01:00:00.000Z  02:30 is left out: the clocks go from 02:00 to 03:00
Mon 2026-03-30 02:30 +02:00  2026-03-30T00:30:00.000Z
`);
  const autumn = await aurora([
    "schedule",
    "explain",
    "30 2 * * *",
    ...berlin,
    "--from",
    "2026-10-25",
    "-n",
    "1",
  ]);
  expect(autumn.stdout).toBe(`at 02:30 (Europe/Berlin)

LOCAL TIME                   UTC                       NOTE
Sun 2026-10-25 02:30 +02:00  2026-10-25T00:30:00.000Z  02:30 comes twice: this is the first, and it runs only then
`);
  const both = await aurora([
    "schedule",
    "explain",
    "30 * * * *",
    ...berlin,
    "--from",
    "2026-10-25T02:00",
    "-n",
    "2",
  ]);
  expect(both.stdout).toBe(`at minute 30 of every hour (Europe/Berlin)

LOCAL TIME                   UTC                       NOTE
Sun 2026-10-25 02:30 +02:00  2026-10-25T00:30:00.000Z  02:30 comes twice: this is the first
Sun 2026-10-25 02:30 +01:00  2026-10-25T01:30:00.000Z  02:30 comes twice: this is the second
`);
});

test("--json", async () => {
  const { stdout, exitCode } = await aurora([
    "schedule",
    "explain",
    "30 2 29 3 *",
    ...berlin,
    "--from",
    "2026-03-01T00:00:00Z",
    "-n",
    "1",
    "--json",
  ]);
  expect([exitCode, JSON.parse(stdout)]).toEqual([
    0,
    {
      expression: "30 2 29 3 *",
      timezone: "Europe/Berlin",
      description: "at 02:30, on day 29 of the month, in March",
      next: ["2026-03-29T01:00:00.000Z"],
      runs: [
        {
          at: "2026-03-29T01:00:00.000Z",
          local: "Sun 2026-03-29 03:00 +02:00",
          note: "02:30 is left out: the clocks go from 02:00 to 03:00",
        },
      ],
    },
  ]);
});

test("the defaults: five runs from now, in this machine's time zone; a run at --from counts", async () => {
  const { stdout } = await aurora(["schedule", "explain", "@hourly", "--json"], {
    env: { TZ: "Asia/Tokyo" },
  });
  const { timezone, next } = JSON.parse(stdout) as { timezone: string; next: string[] };
  expect([timezone, next.length]).toEqual(["Asia/Tokyo", 5]);
  const late = Date.parse(next[0] as string) - Date.now();
  expect(late > -60_000 && late <= 3_600_000).toBe(true);
  const exact = await aurora([
    "schedule",
    "explain",
    "0 3 * * *",
    "--timezone",
    "UTC",
    "--from",
    "2026-01-01T03:00:00Z",
    "--json",
    "-n",
    "1",
  ]);
  expect((JSON.parse(exact.stdout) as { next: string[] }).next).toEqual(["2026-01-01T03:00:00.000Z"]);
});

test("--extended allows L, W and #; an expression may have no run at all", async () => {
  const last = await aurora([
    "schedule",
    "explain",
    "0 0 LW * *",
    "--extended",
    "--timezone",
    "UTC",
    "--from",
    "2026-01-01",
    "-n",
    "1",
  ]);
  expect(last.stdout).toContain("Fri 2026-01-30 00:00 +00:00");
  const never = await aurora(["schedule", "explain", "0 0 L-30 2 *", "--extended", "--timezone", "UTC"]);
  expect(never).toEqual({
    stdout:
      "at 00:00, on the day 30 days before the last of the month, in February (UTC)\n\nno run in the next hundred years\n",
    stderr: "",
    exitCode: 0,
  });
});

describe("refused", () => {
  test("a bad expression, with the place", async () => {
    expect(await aurora(["schedule", "explain", "0 25 * * *", "--timezone", "UTC"])).toEqual({
      stdout: "",
      stderr: `error[usage]: cannot read the cron expression "0 25 * * *": 25 is no hour
  25 is no hour (column 3)
  --> cron:1:3
  |
1 | 0 25 * * *
  |   ^^
hint: an hour is 0 to 23
`,
      exitCode: 2,
    });
  });

  test.each([
    [["--timezone", "Mars/Base"], 'cannot use the time zone "Mars/Base": there is none of that name'],
    [["--from", "soon"], 'cannot read --from "soon": it is not a time'],
    [["--from", "2026-13-01"], 'cannot read --from "2026-13-01": it is not a time'],
    [["--from", "2026-02-01T99:00Z"], 'cannot read --from "2026-02-01T99:00Z": it is not a time'],
    [["-n", "0"], 'cannot read --number "0": it is not a number from 1 to 1000'],
    [["-n", "1001"], 'cannot read --number "1001": it is not a number from 1 to 1000'],
  ])("%j", async (options, message) => {
    const { stdout, stderr, exitCode } = await aurora(["schedule", "explain", "0 3 * * *", ...options]);
    expect([stdout, exitCode]).toEqual(["", 2]);
    expect(stderr).toStartWith(`error[usage]: ${message}\n`);
  });

  test("an expression that is not one argument", async () => {
    const { stderr, exitCode } = await aurora(["schedule", "explain", "0", "3", "1", "1", "1"]);
    expect([stderr.split("\n")[0], exitCode]).toEqual([expect.stringContaining("error[usage]"), 2]);
  });
});
