/** The clock of a real daemon is set forward and back by a year, and right again. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { auroraCommand } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { serviceHome, simplePack } from "./service-home.ts";

const STEPS_DAYS = [365, -365, 0];
const DAY_SECONDS = 86_400;

type JobRun = { name: string; scheduled_at: string; started_at: string | null; state: string };

test.skipIf(process.platform !== "linux" || Bun.which("gcc") === null)(
  "services and jobs do not notice that the clock was set, nor does the time to confirm (needs gcc)",
  async () => {
    await using t = serviceHome();
    const [library, clock] = [`${t.shared}/clock.so`, `${t.shared}/clock`];
    const source = join(import.meta.dir, "shifted-clock.c");
    const build = Bun.spawnSync([
      "gcc",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-shared",
      "-fPIC",
      "-o",
      library,
      source,
    ]);
    expect(build.stderr.toString()).toBe("");
    // It is mapped, so it is written over and never cut off.
    const setClock = (days: number, flag: "w" | "r+" = "r+") =>
      writeFileSync(clock, BigInt64Array.of(BigInt(days * DAY_SECONDS)), { flag });
    const env = { LD_PRELOAD: library, SHIFTED_CLOCK: clock };
    setClock(0, "w");
    t.write(
      simplePack({
        id: "crash",
        start: "sleep 0.3; exit 1",
        service: ", start_limit: { burst: 1000, interval_seconds: 1 }",
      }),
    );
    t.write(
      simplePack({
        id: "steady",
        start: "while :; do echo tick; sleep 0.2; done",
        health: "exit 0",
        clocks: "watch_seconds: 0.2",
      }),
    );
    t.write({
      id: "jobs",
      start: null,
      stop: null,
      health: null,
      files: { "job.sh": "#!/bin/sh\n" },
      manifest: `  schedule:
    - { name: often, every: 500ms, run: job.sh }
    - { name: yearly, cron: "0 0 1 1 *", run: job.sh }`,
    });
    await using daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home], {
      env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent", ...env },
      stdio: ["ignore", "ignore", "ignore"],
    });
    await eventually("the daemon", () => (t.daemonPid() === daemon.pid ? true : undefined));
    expect(await t.run(["install", "crash", "steady", "jobs"], { env })).toMatchObject({ exitCode: 0 });
    const { pid } = await t.status("steady");
    const runsOf = async () => (await t.json(["schedule", "history", "jobs"])).value as JobRun[];
    const newest = async () =>
      ((await t.json(["logs", "steady", "-n", "1"])).value as [{ at: string }] | [])[0]?.at ?? "";

    for (const days of STEPS_DAYS) {
      const year = new Date(Date.now() + days * DAY_SECONDS * 1000).toISOString().slice(0, 4);
      const { restarts } = await t.status("crash");
      setClock(days);
      await eventually(
        `a job in ${year}`,
        async () =>
          (await runsOf()).some(
            ({ started_at: at, state }) => at?.startsWith(year) && state === "succeeded",
          ) || undefined,
      );
      await t.reaches(`a restart in ${year}`, (now) => now.restarts > restarts + 1, "crash");
      await eventually(
        `a line of ${year}, as the newest`,
        async () => (await newest()).startsWith(year) || undefined,
      );
      expect(await t.status("steady")).toMatchObject({
        state: "running",
        health: "healthy",
        restarts: 0,
        pid,
      });
    }
    // A day of the years between that was never there is made up for once, as after a long sleep.
    const yearly = (await runsOf()).flatMap(({ name, scheduled_at: at }) => (name === "yearly" ? [at] : []));
    expect(yearly).toEqual([...new Set(yearly)]);

    t.write(simplePack({ id: "steady", version: "2.0.0" }));
    expect(await t.run(["install", "steady", "--confirm-within", "2s"], { env })).toMatchObject({
      exitCode: 0,
    });
    setClock(-365);
    await t.reaches(
      "the version before",
      ({ version, state }) => version === "1.0.0" && state === "running",
      "steady",
    );
    daemon.kill();
    expect(await daemon.exited).toBe(0);
  },
  120_000,
);
