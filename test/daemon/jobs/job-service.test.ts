/** Persistent jobs over restarts, changes of the clock and of what is live: on a clock of the test's own and a registry on disk. */
import { describe, expect, test } from "bun:test";

import { recentEvents } from "../../../src/registry/events.ts";
import { JOB_HISTORY_LIMIT, jobRunsOf, openJobRuns } from "../../../src/registry/job-runs.ts";
import { setPause } from "../../../src/registry/jobs.ts";
import { insertTransaction, updateTransaction } from "../../../src/registry/transactions.ts";
import { serviceHome } from "./service-home.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("what was missed while no process ran the jobs", () => {
  const from = "2026-01-01T00:00:00.000Z";

  test.each([
    ["run-once", ["05:00"], ["01:00 0 missed 4", "05:00 1 succeeded", "06:00 1 succeeded"]],
    ["skip", [], ["01:00 0 missed 5", "06:00 1 succeeded"]],
    [
      "run-all",
      ["01:00", "02:00", "03:00", "04:00", "05:00"],
      ["01:00", "02:00", "03:00", "04:00", "05:00", "06:00"].map((at) => `${at} 1 succeeded`),
    ],
  ])("%s", async (misfire, late, records) => {
    using t = serviceHome();
    t.live(1, from, [`name: a, every: 1h, misfire: ${misfire}, overlap: queue`]);
    const first = await t.start(from);
    await first.stop();
    const second = await t.start("2026-01-01T05:30:00Z");
    await second.clock.advanceAsync(1000);
    expect(t.ran).toEqual(late.map((at) => `a 2026-01-01T${at}:00.000Z 1`));
    await second.clock.advanceAsync(HOUR);
    await second.stop();
    const third = await t.start("2026-01-01T06:40:00Z");
    await third.clock.advanceAsync(1000);
    await third.stop();
    expect(t.records("a")).toEqual(records.map((text) => `2026-01-01T${text.replace(" ", ":00.000Z ")}`));
  });

  test("a run of a fixed time in the hour that is left out, with a restart in between: once, when the clocks have moved", async () => {
    using t = serviceHome();
    t.live(1, "2026-03-28T12:00:00Z", ['name: a, cron: "30 2 * * *", timezone: Europe/Berlin']);
    const first = await t.start("2026-03-28T12:00:00Z");
    await first.stop();
    const second = await t.start("2026-03-29T06:00:00Z");
    await second.clock.advanceAsync(1000);
    await second.stop();
    const third = await t.start("2026-03-29T07:00:00Z");
    await third.clock.advanceAsync(DAY);
    await third.stop();
    // 03:00 in Berlin, and 02:30 of the next day.
    expect(t.ran).toEqual(["a 2026-03-29T01:00:00.000Z 1", "a 2026-03-30T00:30:00.000Z 1"]);
  });

  test("a time that comes twice runs the first time only, also where the process is another one then", async () => {
    using t = serviceHome();
    t.live(1, "2026-10-24T12:00:00Z", ['name: a, cron: "30 2 * * *", timezone: Europe/Berlin']);
    const first = await t.start("2026-10-24T12:00:00Z");
    await first.clock.advanceAsync(12.75 * HOUR);
    await first.stop();
    const second = await t.start("2026-10-25T00:50:00Z");
    await second.clock.advanceAsync(3 * HOUR);
    await second.stop();
    expect(t.ran).toEqual(["a 2026-10-25T00:30:00.000Z 1"]);
  });

  test("a job for one moment that has passed runs late, once", async () => {
    using t = serviceHome();
    t.live(1, from, []);
    const spec = {
      schedule: { kind: "at", at_ms: Date.parse("2026-01-01T02:00:00Z") },
      command: ["job.sh"],
      tags: {},
      timeout_ms: null,
      overlap: "skip",
      misfire: "run-once",
      retries: null,
      jitter_ms: 0,
    };
    t.registry.run("INSERT INTO jobs VALUES ('app', 'a', ?, '')", JSON.stringify(spec));
    for (const at of ["2026-01-01T05:00:00Z", "2026-01-02T05:00:00Z"]) {
      const running = await t.start(at);
      await running.clock.advanceAsync(HOUR);
      await running.stop();
    }
    expect(t.ran).toEqual(["a 2026-01-01T02:00:00.000Z 1"]);
    expect(t.records("a")).toEqual(["2026-01-01T02:00:00.000Z 1 succeeded"]);
  });
});

describe("a clock that was set back", () => {
  test("by up to three hours: what has run does not run again, in this process and in the next", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:30:00Z", ['name: a, cron: "0 * * * *", timezone: UTC']);
    const first = await t.start("2026-01-01T00:30:00Z");
    await first.clock.advanceAsync(2 * HOUR);
    first.clock.setBack(HOUR);
    await first.clock.advanceAsync(0.5 * HOUR);
    await first.stop();
    const second = await t.start("2026-01-01T01:45:00Z");
    await second.clock.advanceAsync(2 * HOUR);
    await second.stop();
    expect(t.ran.map((text) => text.slice(2, 18))).toEqual([
      "2026-01-01T01:00",
      "2026-01-01T02:00",
      "2026-01-01T03:00",
    ]);
  });

  test("by more: cron goes by the new time, and a time that is on record still does not run twice", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:30:00Z", ['name: a, cron: "0 */2 * * *", timezone: UTC']);
    const first = await t.start("2026-01-01T00:30:00Z");
    await first.clock.advanceAsync(10 * HOUR);
    await first.stop();
    t.ran.length = 0;
    const second = await t.start("2026-01-01T03:30:00Z");
    await second.clock.advanceAsync(10 * HOUR);
    await second.stop();
    expect(t.ran).toEqual(["a 2026-01-01T12:00:00.000Z 1"]);
    expect(t.records("a")).toHaveLength(6);
  });

  test("an interval goes on from the new time", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-02T00:00:00Z", ["name: a, every: 1h"]);
    const first = await t.start("2026-01-02T00:00:00Z");
    await first.clock.advanceAsync(HOUR);
    await first.stop();
    const second = await t.start("2026-01-01T12:00:00Z");
    await second.clock.advanceAsync(HOUR);
    await second.stop();
    expect(t.ran).toEqual(["a 2026-01-02T01:00:00.000Z 1", "a 2026-01-01T13:00:00.000Z 1"]);
  });
});

describe("failures", () => {
  test("retries go on in the next process, each with its record; the event comes once, and once more when it works", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:00:00Z", ["name: a, every: 1h, retries: 3"]);
    const fails = (job: { attempt: number; scheduledMs: number }) =>
      job.scheduledMs <= Date.parse("2026-01-01T02:00:00Z") ? 3 : 0;
    const first = await t.start("2026-01-01T00:00:00Z", fails);
    await first.clock.advanceAsync(HOUR + 1500);
    await first.stop();
    expect(t.records("a").map((text) => text.slice(25))).toEqual(["1 failed", "2 failed"]);
    expect(openJobRuns(t.registry)).toMatchObject([{ attempt: 2, retry_ms: expect.any(Number), rc: 3 }]);
    const second = await t.start("2026-01-01T01:00:02Z", fails);
    await second.clock.advanceAsync(2 * HOUR);
    await second.stop();
    expect(t.records("a").map((text) => text.slice(11, 16) + text.slice(24))).toEqual([
      ...[1, 2, 3, 4].map((attempt) => `01:00 ${attempt} failed`),
      ...[1, 2, 3, 4].map((attempt) => `02:00 ${attempt} failed`),
      "03:00 1 succeeded",
    ]);
    const told = recentEvents(t.registry, { packId: "app", limit: 100 });
    expect(told.map(({ kind }) => kind)).toEqual(["job-failed", "job-recovered"]);
    expect(JSON.parse(told[0]?.detail ?? "")).toEqual({
      job: "a",
      scheduled_at: "2026-01-01T01:00:00.000Z",
      attempt: 4,
      rc: 3,
      reason: "it ended with exit code 3",
    });
  });

  test("the history is bounded, and keeps the newest", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:00:00Z", ["name: a, every: 1s"]);
    const running = await t.start("2026-01-01T00:00:00Z");
    await running.clock.advanceAsync((JOB_HISTORY_LIMIT + 20) * 1000);
    expect(t.records("a")).toHaveLength(JOB_HISTORY_LIMIT);
    expect(t.records("a").at(-1)).toBe("2026-01-01T00:02:00.000Z 1 succeeded");
    await running.stop();
  });

  test("nothing begins before it can be recorded, and then it does", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:00:00Z", ["name: a, every: 1h"]);
    const running = await t.start("2026-01-01T00:00:00Z");
    running.registry.run("PRAGMA query_only = 1");
    await running.clock.advanceAsync(HOUR + 5000);
    expect(t.ran).toEqual([]);
    expect(t.warnings[0]).toBe(
      "no job begins before this can be recorded: cannot write the registry: it is read-only for this user",
    );
    running.registry.run("PRAGMA query_only = 0");
    await running.clock.advanceAsync(2000);
    await running.stop();
    expect(t.records("a")).toEqual(["2026-01-01T01:00:00.000Z 1 succeeded"]);
  });
});

describe("what was under way when the process died", () => {
  const crashed = (t: ReturnType<typeof serviceHome>, attempt: number) =>
    t.registry.run(
      `INSERT OR REPLACE INTO job_runs (pack_id, name, scheduled_ms, attempt, state, cause, generation, run_id, runner,
         started_at) VALUES ('app', 'a', ?, ?, 'running', 'schedule', 1, 'nobody has this', ?, '')`,
      Date.parse("2026-01-01T01:00:00Z"),
      attempt,
      JSON.stringify({ pid: 1, startTime: -1, bootId: "another", command: "" }),
    );

  test("it is recorded as interrupted, and is tried again as the next try: three times in all", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:00:00Z", ["name: a, every: 1h"]);
    for (const attempt of [1, 2]) {
      crashed(t, attempt);
      const running = await t.start("2026-01-01T01:10:00Z", () => 1);
      await running.clock.advanceAsync(1000);
      await running.stop();
    }
    crashed(t, 3);
    const running = await t.start("2026-01-01T01:10:00Z");
    await running.clock.advanceAsync(1000);
    await running.stop();
    expect(t.ran.filter((text) => text.startsWith("a 2026-01-01T01"))).toEqual([
      "a 2026-01-01T01:00:00.000Z 2",
      "a 2026-01-01T01:00:00.000Z 3",
    ]);
    const states = jobRunsOf(t.registry, "app", { name: "a", limit: 10 }).map(({ state, reason }) => [
      state,
      reason,
    ]);
    expect(states.at(-1)).toEqual(["interrupted", "the program that ran it died"]);
    const told = recentEvents(t.registry, { packId: "app", limit: 10 })
      .filter(({ kind }) => kind === "job-interrupted")
      .map(({ detail }) => JSON.parse(detail) as unknown);
    expect(told).toMatchObject([{ retried: true }, { retried: true }, { attempt: 3, retried: false }]);
  });

  test("with retries: 0 it is not tried again", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:50:00Z", ["name: a, every: 1h, retries: 0"]);
    crashed(t, 1);
    const running = await t.start("2026-01-01T01:10:00Z");
    await running.clock.advanceAsync(1000);
    await running.stop();
    expect(t.ran).toEqual([]);
    expect(t.records("a")).toEqual(["2026-01-01T01:00:00.000Z 1 interrupted"]);
  });

  test("what waited goes on", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:00:00Z", [
      "name: a, every: 1h, tags: { gpu: 1 }",
      "name: b, every: 1h, tags: { gpu: 1 }",
    ]);
    const release = Promise.withResolvers<number>();
    const hold = (job: { name: string }) => (job.name === "a" ? release.promise : 0);
    const first = await t.start("2026-01-01T00:00:00Z", hold, { capacities: { gpu: 1 } });
    await first.clock.advanceAsync(HOUR);
    expect(openJobRuns(t.registry)).toMatchObject([
      { name: "a", state: "running" },
      { name: "b", state: "waiting", reason: 'it needs 1 of "gpu", and 1 of 1 are in use' },
    ]);
    const stopping = first.stop();
    release.resolve(0);
    await stopping;
    expect(t.records("a")).toEqual(["2026-01-01T01:00:00.000Z 1 succeeded"]);
    expect(t.records("b")).toEqual(["2026-01-01T01:00:00.000Z 1 succeeded"]);
  });
});

describe("a run that is told to stop", () => {
  test("at the end of the process: interrupted, and tried again by the next one", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:00:00Z", ["name: a, every: 1h"]);
    const untilAborted = (_job: unknown, signal: AbortSignal) =>
      new Promise<number>((resolve) => signal.addEventListener("abort", () => resolve(-1), { once: true }));
    const first = await t.start("2026-01-01T00:00:00Z", untilAborted);
    await first.clock.advanceAsync(HOUR);
    await first.stop();
    const second = await t.start("2026-01-01T01:02:00Z");
    await second.clock.advanceAsync(1000);
    await second.stop();
    expect(t.records("a")).toEqual([
      "2026-01-01T01:00:00.000Z 1 interrupted",
      "2026-01-01T01:00:00.000Z 2 succeeded",
    ]);
  });

  test("by a newer one, under overlap: replace", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:00:00Z", ["name: a, every: 1h, overlap: replace"]);
    const untilAborted = (job: { scheduledMs: number }, signal: AbortSignal) =>
      job.scheduledMs > Date.parse("2026-01-01T01:30:00Z")
        ? 0
        : new Promise<number>((resolve) =>
            signal.addEventListener("abort", () => resolve(-1), { once: true }),
          );
    const running = await t.start("2026-01-01T00:00:00Z", untilAborted);
    await running.clock.advanceAsync(2 * HOUR + 1000);
    await running.stop();
    expect(t.records("a")).toEqual([
      "2026-01-01T01:00:00.000Z 1 replaced",
      "2026-01-01T02:00:00.000Z 1 succeeded",
    ]);
  });
});

describe("what other processes do", () => {
  test("a pack under a transaction: its jobs wait for the end, and run in the new generation", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:00:00Z", ["name: a, every: 1h"]);
    const running = await t.start("2026-01-01T00:00:00Z");
    begin(t, "2026-01-01T00:30:00Z");
    await running.clock.advanceAsync(HOUR + 5000);
    expect(t.ran).toEqual([]);
    expect(openJobRuns(t.registry)).toMatchObject([
      { state: "waiting", reason: "a transaction is changing its pack" },
    ]);
    t.live(2, "2026-01-01T01:00:05Z", ["name: a, every: 1h"]);
    end(t);
    await running.clock.advanceAsync(31_000);
    await running.stop();
    expect(t.ran).toEqual(["a 2026-01-01T01:00:00.000Z 1"]);
    expect(jobRunsOf(t.registry, "app", { name: "a", limit: 1 })).toMatchObject([{ generation: 2 }]);
  });

  test("jobs follow what is live without being told: new, gone, changed; a change begins to count anew", async () => {
    using t = serviceHome();
    t.live(1, "2026-01-01T00:00:00Z", [
      "name: same, every: 10m",
      "name: gone, every: 10m",
      "name: changed, every: 10m",
    ]);
    const running = await t.start("2026-01-01T00:00:00Z");
    await running.clock.advanceAsync(15 * 60_000);
    t.live(2, "2026-01-01T00:15:00Z", [
      "name: same, every: 10m",
      "name: changed, every: 20m",
      "name: fresh, every: 10m",
    ]);
    await running.clock.advanceAsync(15 * 60_000);
    t.live(1, "2026-01-01T00:30:00Z", [
      "name: same, every: 10m",
      "name: gone, every: 10m",
      "name: changed, every: 10m",
    ]);
    await running.clock.advanceAsync(10 * 60_000);
    await running.stop();
    const minutes = (name: string) =>
      t.ran.filter((text) => text.startsWith(`${name} `)).map((text) => text.split("T")[1]?.slice(0, 5));
    expect(minutes("same")).toEqual(["00:10", "00:20", "00:30", "00:40"]);
    expect(minutes("gone")).toEqual(["00:10", "00:40"]);
    expect(minutes("changed")).toEqual(["00:10", "00:40"]);
    expect(minutes("fresh")).toEqual(["00:25"]);
  });

  test.each([
    ["job", "app/a"],
    ["tag", "gpu"],
    ["all", ""],
  ] as const)(
    "a pause of a %s holds over a restart; what came due runs once at its end",
    async (kind, name) => {
      using t = serviceHome();
      t.live(1, "2026-01-01T00:00:00Z", ["name: a, every: 1h, tags: { gpu: 1 }, overlap: skip"]);
      const first = await t.start("2026-01-01T00:00:00Z");
      setPause(t.registry, { kind, name }, "now");
      await first.clock.advanceAsync(2.5 * HOUR);
      await first.stop();
      const second = await t.start("2026-01-01T02:40:00Z");
      await second.clock.advanceAsync(60_000);
      expect(t.ran).toEqual([]);
      setPause(t.registry, { kind, name }, undefined);
      await second.clock.advanceAsync(31_000);
      expect(t.ran).toHaveLength(1);
      await second.stop();
    },
  );
});

function begin(t: ReturnType<typeof serviceHome>, at: string): void {
  const row = {
    id: "tx",
    kind: "install",
    state: "running",
    plan: "{}",
    plan_digest: "",
    created_at: at,
  } as const;
  const none = {
    approved_by: null,
    approved_at: null,
    finished_at: null,
    reason: null,
    cleanup: null,
    confirm: null,
  };
  t.registry.write(() => insertTransaction(t.registry, { ...row, ...none }, ["app"]));
}

function end(t: ReturnType<typeof serviceHome>): void {
  const done = {
    state: "committed",
    plan: "{}",
    finished_at: "now",
    reason: null,
    cleanup: null,
    confirm: null,
  } as const;
  updateTransaction(t.registry, "tx", done);
}
