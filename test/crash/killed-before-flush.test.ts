/**
 * Killed between a change of names and its flush, a command leaves what looks right and may be gone after a power cut: the next
 * one flushes it before it builds on it. Needs a C compiler and ptrace.
 */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { dirname } from "node:path";

import { buildInjector, endTracer, type Inject, runInjected } from "../../scripts/crash/injector.ts";
import { auroraCommand, scratch } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

// Each test runs the program a dozen times, and the machine may be busy.
setDefaultTimeout(60_000);

const tools = scratch();
const injector = buildInjector(tools.path);
afterAll(() => tools[Symbol.dispose]());
const isImpossible = "reason" in injector;

type Home = ReturnType<typeof testHome>;

/** Runs a command under the injector. Returns the calls that change something in the home's directory, and what is in it. */
async function traced(
  t: Home,
  argv: readonly string[],
  fault: Inject = { mode: "count" },
): Promise<string[]> {
  const { path } = injector as { path: string };
  const command = [...auroraCommand, ...argv, "--home", t.home];
  const run = await runInjected(path, command, dirname(t.home), tools.path, fault);
  endTracer(run.tracer);
  return run.points;
}

/** Makes two homes alike: the command runs in one, and is killed in the other at the call that `find` finds among its calls. */
async function killedAt(
  prepare: () => Promise<Home>,
  argv: (t: Home) => string[],
  call: string,
  find: (calls: readonly string[]) => number = (calls) => calls.lastIndexOf(call),
): Promise<Home> {
  let calls: string[];
  {
    await using trial = await prepare();
    calls = await traced(trial, argv(trial));
  }
  const at = find(calls) + 1;
  expect(at).toBeGreaterThan(0);
  // What a script does besides may come a call earlier or later.
  for (;;) {
    const t = await prepare();
    if ((await traced(t, argv(t), { mode: "kill", at })).at(-1) === call) return t;
    await t[Symbol.asyncDispose]();
  }
}

test.skipIf(isImpossible)("a stored tree that is used again: its name", async () => {
  const prepare = async () => {
    const t = testHome();
    t.write({ id: "app" });
    await t.run(["ns", "register", "other"]);
    return t;
  };
  const stage = (t: Home) => ["stage", `${t.packs}/app`];
  await using t = await killedAt(prepare, stage, "fsync home/store");
  const calls = await traced(t, stage(t));
  expect(calls.some((call) => call.startsWith("rename "))).toBe(false);
  expect(calls).toContain("fsync home/store");
  expect(calls.indexOf("fsync home/store")).toBeLessThan(calls.lastIndexOf("fsync home/state.db"));
});

test.skipIf(isImpossible)(
  "data that was put back: both directories, before that is written down",
  async () => {
    const prepare = async () => {
      const t = testHome();
      t.write({ id: "app", name: "1" });
      const manifest = "  data: { snapshot: true }";
      t.write({ id: "app", name: "2", version: "2.0.0", manifest, start: "exit 1" });
      expect((await t.run(["install", "./packs/1", "--no-start"])).exitCode).toBe(0);
      expect((await t.run(["start", "app"])).exitCode).toBe(0);
      return t;
    };
    const upgrade = (t: Home) => ["install", `${t.packs}/2`];
    await using t = await killedAt(prepare, upgrade, "fsync home/data");
    const calls = await traced(t, ["recover"]);
    for (const flush of ["fsync home/data", "fsync home/snapshots/app"])
      expect(calls.indexOf(flush)).toBeGreaterThan(0);
    expect((await t.json(["list"])).value).toMatchObject([{ version: "1.0.0" }]);
  },
);

test.skipIf(isImpossible)(
  "a home that was just made: its own name, before anything is in the registry",
  async () => {
    const register = () => ["ns", "register", "app"];
    await using t = await killedAt(
      async () => testHome(),
      register,
      "fsync .",
      (calls) => calls.indexOf("fsync ."),
    );
    const calls = await traced(t, register());
    expect(calls).toContain("fsync .");
    expect(calls.indexOf("fsync .")).toBeLessThan(calls.findIndex((call) => call.includes("home/state.db ")));
  },
);

test.skipIf(isImpossible)(
  "the end of a transaction: the registry, before anything is removed for it",
  async () => {
    const prepare = async () => {
      const t = testHome();
      t.write({ id: "app" });
      expect((await t.run(["install", "app", "--no-start"])).exitCode).toBe(0);
      return t;
    };
    const isOfData = (call: string) => call.startsWith("unlinkat home/data/");
    const commit = (calls: readonly string[]) =>
      calls.slice(0, calls.findIndex(isOfData)).lastIndexOf("unlink home/state.db-journal") + 1;
    await using t = await killedAt(prepare, () => ["remove", "app", "--purge"], "fsync home", commit);
    const calls = await traced(t, ["recover"]);
    expect(calls).toContain("fsync home");
    expect(calls.indexOf("fsync home")).toBeLessThan(calls.findIndex(isOfData));
  },
);

test.skipIf(isImpossible)(
  "what waits for its confirmation: the registry, before anybody is told that nothing is left to do",
  async () => {
    const prepare = async () => {
      const t = testHome();
      t.write({ id: "app", start: null, stop: null, health: null });
      await t.run(["ns", "register", "other"]);
      return t;
    };
    const install = (t: Home) => ["install", `${t.packs}/app`, "--confirm-within", "1h"];
    await using t = await killedAt(prepare, install, "fsync home", (calls) =>
      calls.lastIndexOf("fsync home"),
    );
    expect(await traced(t, ["recover"])).toContain("fsync home");
    expect((await t.json(["list"])).value).toMatchObject([{ pack_id: "app", generation: 1 }]);
  },
);
