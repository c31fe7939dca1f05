/** The process that runs the jobs is killed at random instants: no job is lost, and none runs twice but as a recorded retry. */
import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";

import { auroraCommand } from "../../support/aurora.ts";
import { randomFrom } from "../../support/random.ts";
import { testHome } from "../../support/test-home.ts";

const KILLS = Bun.env["AURORA_LONG_TESTS"] === "1" ? 200 : 15;
const SEED = Number(Bun.env["AURORA_SEED"] ?? 1);
/** From its start, so long a process lives at most, in milliseconds. */
const LONGEST_LIFE_MS = 1500;

setDefaultTimeout(KILLS * 10_000);

type Row = {
  name: string;
  scheduled_ms: number;
  attempt: number;
  state: string;
  count: number;
  retry_ms: number | null;
  id: number;
};

/** Writes down that it runs, and whether another try of the same job still does. */
const script = (body: string) => `#!/bin/sh
exec 9>"$AURORA_DATA_DIR/$AURORA_JOB.lock"
flock -n 9 || echo overlap >> "$AURORA_DATA_DIR/faults"
echo "$AURORA_JOB $AURORA_SCHEDULED_AT $AURORA_ATTEMPT" >> "$AURORA_DATA_DIR/runs"
${body}
`;

const intervals: Record<string, number> = { quick: 300, slow: 700, flaky: 500 };
const manifest = `  schedule:
    - { name: quick, every: 300ms, run: [sh.sh, quick] }
    - { name: slow, every: 700ms, run: [sh.sh, slow], timeout_seconds: 10 }
    - { name: flaky, every: 500ms, run: [sh.sh, flaky], retries: 2 }
`;
const bodies = `case $1 in slow) sleep 0.4 ;; flaky) [ "$AURORA_ATTEMPT" -gt 1 ] ;; esac`;

test(`${KILLS} kills, seed ${SEED}`, async () => {
  await using t = testHome();
  const random = randomFrom(SEED);
  t.write({ id: "app", manifest, files: { "sh.sh": script(bodies) }, start: null, stop: null, health: null });
  Bun.spawnSync(["chmod", "+x", `${t.packs}/app/sh.sh`]);
  expect(await t.run(["install", "app", "--no-daemon"])).toMatchObject({ exitCode: 0 });

  const rows = new Map<string, Row>();
  const once: string[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const child = startScheduler(t.home);
    const life = Bun.sleep(Math.floor(random() * LONGEST_LIFE_MS));
    if (kill % 3 === 0) {
      const name = `once-${kill}`;
      const delay = `${Math.floor(random() * 1000)}ms`;
      const words = ["--no-daemon", "schedule", "add", "app", "--name", name, "--in", delay];
      const added = await t.run([...words, "--", "./sh.sh", "once"]);
      expect(added).toMatchObject({ stderr: "", exitCode: 0 });
      once.push(name);
    }
    await life;
    child.kill("SIGKILL");
    await child.exited;
    collect(t.home, rows);
  }

  const last = startScheduler(t.home);
  // Before that a signal ends it at once, as any program.
  await last.stderr.getReader().read();
  const isSettled = () => {
    collect(t.home, rows);
    const open = [...rows.values()].filter((row) => row.name.startsWith("once") && isOpen(row));
    return open.length === 0 && once.every((name) => runsOf(rows, name).length > 0);
  };
  while (!isSettled()) await Bun.sleep(100);
  last.kill("SIGTERM");
  expect(await last.exited).toBe(0);
  collect(t.home, rows);

  expect(existsSync(`${t.home}/data/app/faults`)).toBe(false);
  const printed = readFileSync(`${t.home}/data/app/runs`, "utf8").trimEnd().split("\n");
  expect(new Set(printed).size, "a try ran twice").toBe(printed.length);
  const recorded = new Set(
    [...rows.values()].map((row) => `${row.name} ${new Date(row.scheduled_ms).toISOString()} ${row.attempt}`),
  );
  expect(
    printed.filter((line) => !recorded.has(line)),
    "tries that ran and are not on record",
  ).toEqual([]);

  expect(faultsOfTries(rows)).toEqual([]);
  for (const [name, intervalMs] of Object.entries(intervals))
    expect(gaps(rows, name, intervalMs)).toEqual([]);
  for (const name of once)
    expect(
      runsOf(rows, name).some(
        ({ state, attempt }) => state === "succeeded" || (state === "interrupted" && attempt === 3),
      ),
      `${name} was acknowledged`,
    ).toBe(true);
  const tried = [...rows.values()].filter(({ state }) => state === "interrupted").length;
  console.log(
    `${KILLS} kills: ${printed.length} tries ran, ${tried} were interrupted, ${once.length} jobs were added`,
  );
});

function startScheduler(home: string) {
  return Bun.spawn([...auroraCommand, "schedule", "run", "--foreground", "--home", home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" },
    stdout: "ignore",
    stderr: "pipe",
  });
}

/** Takes what is on record before it is trimmed; of a row that changes, the last state counts. */
function collect(home: string, rows: Map<string, Row>): void {
  using database = new Database(`${home}/state.db`, { readwrite: true, create: false });
  database.run("PRAGMA busy_timeout = 10000");
  for (const row of database.query<Row, []>("SELECT * FROM job_runs").all())
    rows.set(`${row.name} ${row.scheduled_ms} ${row.attempt}`, row);
}

function runsOf(rows: ReadonlyMap<string, Row>, name: string): Row[] {
  return [...rows.values()]
    .filter((row) => row.name === name)
    .toSorted((a, b) => a.scheduled_ms - b.scheduled_ms);
}

function isOpen({ state, retry_ms }: Row): boolean {
  return state === "running" || state === "waiting" || retry_ms !== null;
}

/** Tries of one scheduled time count from 1 without a gap, and each but the last has failed or was interrupted. */
function faultsOfTries(rows: ReadonlyMap<string, Row>): string[] {
  const byRun = Map.groupBy(
    [...rows.values()].filter(({ attempt }) => attempt > 0),
    ({ name, scheduled_ms }) => `${name} ${scheduled_ms}`,
  );
  return [...byRun].flatMap(([key, tries]) => {
    const sorted = tries.toSorted((a, b) => a.attempt - b.attempt);
    const isCounted = sorted.every(({ attempt }, index) => attempt === index + 1);
    const isRetry = sorted.slice(0, -1).every(({ state }) => state === "failed" || state === "interrupted");
    return isCounted && isRetry
      ? []
      : [`${key}: ${sorted.map(({ attempt, state }) => `${attempt} ${state}`).join()}`];
  });
}

/** Each time of the grid has run, or is on record as missed or skipped. */
function gaps(rows: ReadonlyMap<string, Row>, name: string, intervalMs: number): string[] {
  const slots = new Map<number, number>();
  for (const { scheduled_ms, count } of runsOf(rows, name))
    slots.set(scheduled_ms, Math.max(count, slots.get(scheduled_ms) ?? 0));
  const times = [...slots].toSorted(([a], [b]) => a - b);
  return times.flatMap(([at, count], index) => {
    const next = times[index + 1]?.[0];
    if (next === undefined) return [];
    const steps = (next - at) / intervalMs;
    // A moment on the monotonic clock is rounded to a millisecond of the wall clock.
    return Math.abs(steps - count) * intervalMs <= 20
      ? []
      : [`${name}: ${count} at ${at}, then ${next}: ${steps} steps`];
  });
}
