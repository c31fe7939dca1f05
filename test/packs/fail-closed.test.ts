/** A layer that the kernel promises and that then fails: nothing runs unconfined, whatever was to run. From outside. */
import { describe, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";

import { canBeLesser, lacking, onLesserKernel } from "../support/lesser-kernel.ts";
import { userHome, users } from "../support/user-home.ts";

const TIMEOUT_MS = 180_000;
const quiet = { install: null, start: null, stop: null, health: null };
const REASON = /cannot confine \\*"[^ ]*": cannot restrict itself by Landlock: operation not permitted/;
/** A script that would be seen to have run, confined or not. */
const mark = (t: { shared: string }, name: string) => `touch '${t.shared}/${name}' 2> /dev/null || true; touch data/${name}`;

describe.skipIf(!canBeLesser).each(users)("as %s", (user) => {
  /** A home whose `fails` runs a command where Landlock fails, and whose `left` says which scripts have run there. */
  const homeOf = () => {
    const t = userHome(user);
    return {
      ...t,
      fails: (argv: readonly string[]) => t.run(argv, {}, onLesserKernel(lacking.restriction)),
      hasRun: (packId: string, name: string) =>
        existsSync(`${t.shared}/${name}`) || existsSync(`${t.home}/data/${packId}/${name}`),
    };
  };
  const rolledBack = (result: { stdout: string }, reason = REASON) =>
    expect(JSON.parse(result.stdout)).toEqual({
      transaction: expect.any(String),
      state: "rolled-back",
      reason: expect.stringMatching(reason),
      changed: false,
      packs: expect.any(Array),
    });

  test("a first install is refused, or rolled back, with exit code 9", async () => {
    await using t = homeOf();
    t.write({ id: "rehearsed", ...quiet, install: mark(t, "install") });
    expect(await t.fails(["install", "rehearsed", "--approve"])).toMatchObject({
      stdout: "",
      stderr: expect.stringMatching(REASON),
      exitCode: 9,
    });
    t.write({ id: "started", ...quiet, start: mark(t, "start") });
    const started = await t.fails(["install", "started", "--approve", "--json"]);
    rolledBack(started);
    expect(started).toMatchObject({ exitCode: 9 });
    t.write({ id: "looked-at", ...quiet, health: mark(t, "health") });
    const looked = await t.fails(["install", "looked-at", "--approve", "--json"]);
    rolledBack(looked);
    expect(looked).toMatchObject({ exitCode: 9 });
    expect(["install", "start", "health"].filter((name) => t.hasRun("started", name))).toEqual([]);
    expect(await t.json(["list"])).toMatchObject([
      { pack_id: "rehearsed", state: "staged" },
    ]);
    // It says nothing against the packs.
    expect(await t.run(["install", "started", "looked-at", "--approve"])).toMatchObject({ exitCode: 0 });
    expect((await t.run(["why", "started"])).exitCode).toBe(0);
  }, TIMEOUT_MS);

  test("where nothing can be started from memory, Aurora itself confines", async () => {
    await using t = homeOf();
    const inside = "touch data/inside";
    t.write({ id: "app", ...quiet, start: `${inside}; ! touch '${t.shared}/outside' 2> /dev/null` });
    const run = (argv: readonly string[]) => t.run(argv, {}, onLesserKernel(lacking.memory));
    expect(await run(["install", "app", "--approve", "--require-confinement"])).toMatchObject({ exitCode: 0 });
    expect([t.hasRun("app", "inside"), t.hasRun("app", "outside")]).toEqual([true, false]);
    const { stdout } = await run(["doctor"]);
    expect(stdout).toContain("programs cannot be started from memory: operation not permitted");
  }, TIMEOUT_MS);

  test("an upgrade whose start fails brings the old version back", async () => {
    await using t = homeOf();
    t.write({ id: "app", install: null });
    expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 0 });
    const manifest = "  permissions: { net: { connect: [9] } }";
    t.write({ id: "app", install: null, version: "2.0.0", start: mark(t, "start"), stop: null, health: null, manifest });
    const result = await t.run(["install", "app", "--approve", "--json"], {}, onLesserKernel(lacking.ports));
    rolledBack(result, /^app: cannot confine ".*": cannot grant port 9: /);
    expect(result).toMatchObject({ exitCode: 9 });
    expect(await t.json(["status", "app"])).toMatchObject([{ version: "1.0.0", state: "running", health: "healthy" }]);
    expect(t.hasRun("app", "start")).toBe(false);
    const people = await t.run(["why", "app"]);
    expect(people.stdout).toContain("cannot grant port 9");
    // Nor does a rollback to a version that cannot be confined take place.
    expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 0 });
    t.write({ id: "app", install: null, version: "3.0.0" });
    expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 0 });
    const back = await t.run(["rollback", "app", "--approve", "--json"], {}, onLesserKernel(lacking.ports));
    rolledBack(back, /^app: cannot confine ".*": cannot grant port 9: /);
    expect(back).toMatchObject({ exitCode: 9 });
    expect(await t.json(["status", "app"])).toMatchObject([{ version: "3.0.0", state: "running" }]);
  }, TIMEOUT_MS);

  test("where not even the old version can be confined, nothing runs, and it is said", async () => {
    await using t = homeOf();
    t.write({ id: "app", install: null });
    expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 0 });
    t.write({ id: "app", install: null, version: "2.0.0", start: mark(t, "start") });
    expect(await t.fails(["install", "app", "--approve"])).toMatchObject({
      stdout: expect.stringMatching(/^stuck: app: cannot confine /),
      exitCode: 10,
    });
    expect(t.hasRun("app", "start")).toBe(false);
  }, TIMEOUT_MS);

  test.each(["oneshot", "simple", "notify"])("a service of the type %s does not start", async (type) => {
    await using t = homeOf();
    const manifest = `  service: { type: ${type}, restart: "no" }`;
    t.write({ id: "app", ...quiet, start: `${mark(t, "start")}; exec sleep 300`, manifest });
    const installed = await t.fails(["install", "app", "--approve", "--json"]);
    rolledBack(installed);
    expect(installed).toMatchObject({ exitCode: 9 });
    expect(await t.fails(["install", "app", "--approve", "--no-start"])).toMatchObject({ exitCode: 0 });
    expect(await t.fails(["start", "app"])).toMatchObject({
      stdout: "",
      stderr: expect.stringMatching(REASON),
      exitCode: 9,
    });
    expect(t.hasRun("app", "start")).toBe(false);
    expect(await t.json(["status", "app"])).toMatchObject([{ state: "failed", pid: null }]);
  }, TIMEOUT_MS);

  test("a job, a health check, tests and commands do not run", async () => {
    await using t = homeOf();
    t.write({
      id: "app",
      ...quiet,
      health: mark(t, "health"),
      test: mark(t, "test"),
      files: { "job.sh": `#!/bin/sh\n${mark(t, "job")}\n` },
      manifest: '  schedule: [{ name: beat, cron: "0 0 1 1 *", run: job.sh }]',
    });
    expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 0 });
    rmSync(`${t.home}/data/app/health`);
    const refused = { stdout: "", stderr: expect.stringMatching(REASON) };
    const command = ["--", "sh", "-c", mark(t, "exec")];
    expect(await t.fails(["exec", "app", ...command])).toMatchObject({ ...refused, exitCode: 125 });
    expect(await t.fails(["exec", "app", "--json", ...command])).toMatchObject({ ...refused, exitCode: 125 });
    expect(await t.fails(["exec", "app", "--background", ...command])).toMatchObject({ ...refused, exitCode: 125 });
    expect(await t.run(["exec", "app", "--list"])).toMatchObject({ stdout: "nothing runs in the background\n" });
    expect(await t.fails(["schedule", "run", "app", "beat"])).toMatchObject({ ...refused, exitCode: 9 });
    expect(await t.fails(["health", "app"])).toMatchObject({ ...refused, exitCode: 9 });
    expect(await t.fails(["test", "app"])).toMatchObject({ ...refused, exitCode: 9 });
    expect(["health", "test", "job", "exec"].filter((name) => t.hasRun("app", name))).toEqual([]);
    expect(await t.json(["schedule", "history", "app", "beat"])).toMatchObject([
      { state: "failed", rc: null, reason: expect.stringMatching(REASON) },
    ]);
  }, TIMEOUT_MS);
});
