/** Many processes on one home, and processes that are killed while others wait: from outside. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";

import { tryHomeLock } from "../../src/lifecycle/home-lock.ts";
import { livePack, type PackRow, setLivePack } from "../../src/registry/packs.ts";
import { openRegistry } from "../../src/registry/registry.ts";
import { homePaths } from "../../src/system/home.ts";
import { aurora, auroraCommand, scratch } from "../support/aurora.ts";
import { openFilesOf, processesOf, testHome } from "../support/test-home.ts";

/** So many processes at once, in all. */
const PROCESSES = 50;

/** What somebody says who did not wait any longer: who holds the lock, or nobody's name where it was let go just then. */
const LOCKED = /^error\[locked\]: cannot [^:]+: (".+" \(pid \d+, since .+Z\)|another command) is at work /m;

/** Starts aurora and returns without waiting for its end. */
function startAurora(argv: readonly string[], home: string): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return Bun.spawn([...auroraCommand, ...argv], {
    env: {
      PATH: Bun.env["PATH"] ?? "/usr/bin:/bin",
      HOME: "/nonexistent",
      LANG: "C.UTF-8",
      AURORA_HOME: home,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** Waits for something that another process brings about; the test's own time limit ends it. */
async function until(isThere: () => boolean): Promise<void> {
  while (!isThere()) await Bun.sleep(5);
}

/** Descriptors come and go while one looks. */

const hasContent = (path: string) => existsSync(path) && readFileSync(path).length > 0;

describe("two at once", () => {
  test(`${PROCESSES} processes that install, roll back and register lose nothing and do not block each other`, async () => {
    await using at = testHome();
    for (const version of ["1.0.0", "2.0.0"])
      at.write({
        id: "alpha",
        version,
        name: `alpha-${version}`,
        install: null,
        stop: null,
        health: null,
        start: null,
      });
    at.write({ id: "beta", install: null, stop: null, health: null, start: null });
    for (const version of ["1.0.0", "2.0.0"])
      expect((await at.run(["install", `${at.packs}/alpha-${version}`])).exitCode).toBe(0);

    const kinds = [
      (_index: number) => ["ns", "register", "counter"],
      (index: number) => ["ns", "register", `own-${index}`, "--meta", `{"index":${index}}`],
      (index: number) => ["install", `${at.packs}/alpha-${index % 2 === 0 ? 1 : 2}.0.0`],
      (_index: number) => ["rollback", "alpha"],
      (_index: number) => ["install", `${at.packs}/beta`],
    ];
    const runs = await Promise.all(
      Array.from({ length: PROCESSES }, async (_, index) => {
        const argv = (kinds[index % kinds.length] as (typeof kinds)[0])(index);
        const { exitCode, stderr } = await aurora([...argv, "--wait", "150s", "--json"], { home: at.home });
        return { argv, exitCode, stderr };
      }),
    );

    // A rollback may find that there is nothing to go back to any more; nothing else may fail.
    const failed = runs.filter(
      ({ argv, exitCode }) => exitCode !== 0 && !(argv[0] === "rollback" && exitCode === 5),
    );
    expect(failed).toEqual([]);
    const entries = JSON.parse((await aurora(["ns", "list", "--json"], { home: at.home })).stdout) as {
      pack_id: string;
      revision: number;
    }[];
    const registered = runs.filter(({ argv }) => argv[2] === "counter").length;
    expect(entries.find(({ pack_id }) => pack_id === "counter")?.revision).toBe(registered);
    expect(entries.filter(({ pack_id }) => pack_id.startsWith("own-")).length).toBe(PROCESSES / kinds.length);
    const history = (await at.json(["history", "alpha"])).value as { generation: number }[];
    expect(history.map(({ generation }) => generation)).toEqual(history.map((_, index) => index + 1));
    expect((await at.json(["verify"])).value).toMatchObject({ ok: true });
  }, 180_000);

  test(`${PROCESSES} processes of which some are killed and some do not wait: what was acknowledged is there, and nothing else`, async () => {
    await using at = testHome();
    at.write({ id: "alpha", install: null, stop: null, health: null, start: null });
    expect((await at.run(["ns", "register", "counter"])).exitCode).toBe(0);
    const argvOf = (index: number) =>
      [
        ["ns", "register", "counter", "--wait", "150s"],
        ["ns", "register", `own-${index}`, "--wait", "0s"],
        ["install", `${at.packs}/alpha`, "--wait", "150s"],
        ["ns", "register", "counter", "--wait", "10ms"],
        ["ns", "register", `own-${index}`, "--wait", "150s"],
      ][index % 5] as string[];
    const isVictim = (index: number) => index % 3 === 2;
    const children = Array.from({ length: PROCESSES }, (_, index) => startAurora(argvOf(index), at.home));
    // Each time one has ended, the next victim is killed, wherever it is.
    const victims = children.filter((_, index) => isVictim(index));
    for (const child of children) void child.exited.then(() => victims.pop()?.kill("SIGKILL"));
    const runs = await Promise.all(
      children.map(async (child, index) => {
        const [stderr, exitCode] = await Promise.all([child.stderr.text(), child.exited]);
        return { index, argv: argvOf(index), exitCode, stderr, wasKilled: child.signalCode === "SIGKILL" };
      }),
    );

    const unexpected = runs.filter(
      ({ exitCode, stderr, wasKilled }) =>
        exitCode !== 0 && !wasKilled && !(exitCode === 8 && LOCKED.test(stderr)),
    );
    expect(unexpected).toEqual([]);
    expect((await at.run(["recover", "--wait", "0s"])).exitCode).toBe(0);
    const { value } = await at.json(["ns", "list"]);
    const entries = new Map(
      (value as { pack_id: string; revision: number }[]).map(({ pack_id, revision }) => [pack_id, revision]),
    );
    const counted = runs.filter(({ argv }) => argv[2] === "counter");
    const acknowledged = counted.filter(({ exitCode }) => exitCode === 0).length;
    const killed = counted.filter(({ wasKilled }) => wasKilled).length;
    expect(entries.get("counter")).toBeGreaterThanOrEqual(1 + acknowledged);
    expect(entries.get("counter")).toBeLessThanOrEqual(1 + acknowledged + killed);
    for (const { argv, exitCode, wasKilled } of runs)
      if (argv[2]?.startsWith("own-") === true && !wasKilled)
        expect([argv[2], entries.has(argv[2])]).toEqual([argv[2], exitCode === 0]);
    expect((await at.json(["verify"])).value).toMatchObject({ ok: true });
    expect(readdirSync(`${at.home}/tmp`)).toEqual([]);
  }, 180_000);

  test("who waits too long for the lock ends with 8, and says who holds it", async () => {
    using directory = scratch();
    await aurora(["ns", "register", "a"], { home: directory.path });
    const now = () => new Date("2026-01-02T03:04:05.678Z");
    using lock = tryHomeLock({ paths: homePaths(directory.path), now }, "install pack");
    expect(lock).toBeDefined();
    const { exitCode, stdout, stderr } = await aurora(["ns", "register", "a", "--wait", "50ms"], {
      home: directory.path,
    });
    expect(stdout).toBe("");
    expect(stderr).toBe(
      `error[locked]: cannot ns register a: "install pack" (pid ${process.pid}, since 2026-01-02T03:04:05.678Z) is at work and did not end within 50 ms\n` +
        "hint: try again, or wait longer with --wait 60s\n",
    );
    expect(exitCode).toBe(8);
  });
});

test("what nobody had to approve has to be approved when the home has changed meanwhile", async () => {
  await using at = testHome();
  const pack = { id: "alpha", start: null, stop: null, health: null };
  const manifest = "  permissions: { read: [/srv] }";
  at.write({ ...pack, manifest });
  expect(await at.run(["install", `${at.packs}/alpha`, "--approve"])).toMatchObject({ exitCode: 0 });
  at.write({ ...pack, manifest, version: "1.1.0" });
  const paths = homePaths(at.home);
  const lock = tryHomeLock({ paths, now: () => new Date() }, "a test");
  const child = startAurora(["install", `${at.packs}/alpha`, "--wait", "60s"], at.home);
  const reader = child.stderr.getReader();
  // It has planned, without growth, when it rehearses; now the live one becomes a pack that may not read /srv.
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("dry-run alpha\n");
  {
    using registry = openRegistry(paths);
    const live = livePack(registry, "alpha") as PackRow;
    setLivePack(registry, { ...live, manifest: live.manifest.replace('"read":["/srv"]', '"read":[]') });
  }
  lock?.[Symbol.dispose]();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read())
    rest += new TextDecoder().decode(part.value);
  expect(rest).toBe(
    "error[approval-required]: the home was changed, and this plan needs an operator's approval now\nhint: look at the new plan with aurora plan, and approve that\n",
  );
  expect(await child.exited).toBe(6);
});

describe("killed with SIGKILL", () => {
  test("a holder of the lock blocks nobody, and what it had begun is undone", async () => {
    await using at = testHome();
    at.write({
      id: "alpha",
      install: '[ "$1" = --install ] || exit 0\necho $$ > data/script\nsleep 300',
      stop: null,
      health: null,
      start: null,
    });
    const killed = startAurora(["install", `${at.packs}/alpha`], at.home);
    const pidFile = `${at.home}/data/alpha/script`;
    await until(() => hasContent(pidFile));
    killed.kill("SIGKILL");
    await killed.exited;
    expect(processesOf(at.home)).not.toEqual([]);

    const { exitCode, stderr } = await at.run(["ns", "register", "other", "--wait", "0s"]);
    expect(stderr).toBe(
      "warning: finished an interrupted transaction (" +
        `${/\(([0-9a-f]{8})\)/.exec(stderr)?.[1]}): rolled-back, it was interrupted by a crash\n`,
    );
    expect(exitCode).toBe(0);
    expect(processesOf(at.home)).toEqual([]);
    expect((await at.json(["list"])).value).toEqual([]);
  });

  test("a command that waits for the lock leaves nothing when it is killed", async () => {
    await using at = testHome();
    await at.run(["ns", "register", "a"]);
    const lock = tryHomeLock({ paths: homePaths(at.home), now: () => new Date() }, "test");
    const waiting = startAurora(["ns", "register", "b", "--wait", "60s"], at.home);
    await until(() => openFilesOf(waiting.pid).includes(`${at.home}/state.db`));
    waiting.kill("SIGKILL");
    await waiting.exited;
    lock?.[Symbol.dispose]();
    expect((await at.json(["ns", "list"])).value).toMatchObject([{ pack_id: "a" }]);
    expect((await at.run(["ns", "register", "b", "--wait", "0s"])).exitCode).toBe(0);
    expect(readdirSync(`${at.home}/tmp`)).toEqual([]);
  });
});

test("a lock into whose file nothing can be written is free again", () => {
  const home = { paths: { ...homePaths("/nonexistent"), lock: "/dev/full" }, now: () => new Date() };
  expect(() => tryHomeLock(home, "first")).toThrow();
  // Not "undefined", which it is where somebody holds it.
  expect(() => tryHomeLock(home, "second")).toThrow();
});
