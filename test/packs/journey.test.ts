/** The packs of packs/ through their whole life, from outside, as root and as an ordinary user. */
import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { hasEnded } from "../support/test-home.ts";
import { auroraCommand, scratch } from "../support/aurora.ts";

const root = join(import.meta.dir, "../..");
const ids = ["pack01_pack01", "pack02_env_profiler", "pack03_os_base"] as const;
const NOBODY = 65_534;
/** The whole journey takes about six seconds on an idle machine, most of it the grace and the deadlines of the packs, and a minute on a busy one. */
const TIMEOUT_MS = 180_000;
const isRoot = process.getuid?.() === 0;

type Answer = { exitCode: number; stdout: string; stderr: string };

/** Runs a command line as somebody, in an environment of nothing but what is given. */
function runAs(user: string, argv: readonly string[], env: Record<string, string>, cwd: string): Answer {
  const become =
    user === "an ordinary user" && isRoot
      ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"]
      : [];
  const { exitCode, stdout, stderr } = Bun.spawnSync([...become, ...argv], {
    cwd,
    env: { PATH: Bun.env["PATH"] ?? "/usr/bin:/bin", LANG: "C.UTF-8", ...env },
    stdin: "ignore",
  });
  return { exitCode: exitCode ?? -1, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** An ordinary user may not be able to read the sources or the runtime: then only the compiled program can be tried. */
function mayRun(user: string): boolean {
  return runAs(user, [...auroraCommand, "version"], { HOME: "/nonexistent" }, "/").exitCode === 0;
}

/** Copies of the three packs and a home, all owned by whoever runs the test. */
function playground(user: string) {
  const directory = scratch();
  const { path } = directory;
  const packs = join(path, "packs");
  for (const id of ids) cpSync(join(root, "packs", id), join(packs, id), { recursive: true });
  if (user === "an ordinary user" && isRoot) {
    Bun.spawnSync(["chown", "-R", `${NOBODY}:${NOBODY}`, path]);
    chownSync(path, NOBODY, NOBODY);
  }
  chmodSync(path, 0o755);
  const env = { AURORA_HOME: join(path, "home"), AURORA_PACKS: packs, HOME: path, TMPDIR: path };
  const aurora = (...argv: string[]) => runAs(user, [...auroraCommand, ...argv], env, path);
  return {
    path,
    packs,
    aurora,
    script: (file: string, ...argv: string[]) => runAs(user, [file, ...argv], { HOME: path, TMPDIR: path }, "/"),
    [Symbol.dispose]() {
      for (const id of ids.toReversed()) aurora("stop", id, "--quiet");
      directory[Symbol.dispose]();
    },
  };
}

describe.each(["root", "an ordinary user"])("as %s", (user) => {
  const isPossible = (user === "an ordinary user" || isRoot) && mayRun(user);

  test.skipIf(!isPossible)("install, start, upgrade, a failed upgrade, rollback, remove", () => {
    using t = playground(user);
    const expectRun = (code: number, ...argv: string[]) => {
      const answer = t.aurora(...argv);
      expect(answer.exitCode, `${argv.join(" ")}\n${answer.stdout}${answer.stderr}`).toBe(code);
      return answer.stdout;
    };
    for (const id of ids) {
      expectRun(0, "check", id);
      expectRun(0, "seal", id, "--check");
      expectRun(0, "test", id);
    }
    expectRun(6, "install", ...ids, "--no-input");
    expectRun(0, "install", "pack02_env_profiler", "pack03_os_base", "--approve");
    // The dependency came along.
    const listed = JSON.parse(expectRun(0, "list", "--json")) as { pack_id: string; state: string }[];
    expect(listed.map(({ pack_id, state }) => [pack_id, state])).toEqual(ids.map((id) => [id, "running"]));
    expectRun(0, "health");
    const profile = JSON.parse(expectRun(0, "vfs", "cat", "pack02_env_profiler", "/device.json")) as { cpus: number };
    expect(profile.cpus).toBeGreaterThan(0);
    const entry = JSON.parse(expectRun(0, "ns", "get", "pack03_os_base", "--json")) as { meta: unknown };
    expect(entry.meta).toMatchObject({ role: "os-base", version: "0.1.0" });

    expectRun(0, "stop", "pack03_os_base");
    expectRun(3, "status", "pack03_os_base");
    expectRun(0, "start", "pack03_os_base", "--wait-healthy");

    upgrade(t.packs, "0.2.0");
    expectRun(0, "install", "pack03_os_base", "--approve");
    upgrade(t.packs, "0.3.0");
    writeFileSync(join(t.packs, "pack03_os_base/health_check.sh"), '#!/bin/sh\necho "no pulse"\nexit 1\n');
    const broken = readFileSync(join(t.packs, "pack03_os_base/manifest.yaml"), "utf8");
    writeFileSync(
      join(t.packs, "pack03_os_base/manifest.yaml"),
      broken.replace("deadline_seconds: 15", "deadline_seconds: 1"),
    );
    expectRun(4, "install", "pack03_os_base", "--approve");
    expect(expectRun(0, "why", "pack03_os_base")).toContain("no pulse");
    expectRun(0, "status", "pack03_os_base");
    const back = JSON.parse(expectRun(0, "ns", "get", "pack03_os_base", "--json")) as { meta: unknown };
    expect(back.meta).toMatchObject({ version: "0.2.0" });

    expectRun(0, "rollback", "pack03_os_base", "--approve");
    expect(expectRun(0, "list")).toContain("0.1.0");
    expectRun(0, "verify");
    expectRun(8, "remove", "pack01_pack01");
    for (const id of ids.toReversed()) expectRun(0, "remove", id, "--purge");
    expect(JSON.parse(expectRun(0, "list", "--json"))).toEqual([]);
    expect(expectRun(0, "history", "pack03_os_base")).toContain("0.2.0");
  }, TIMEOUT_MS);

  test.skipIf(!isPossible).each(ids.filter((id) => id !== "pack02_env_profiler"))("%s by hand, without Aurora", (id) => {
    using t = playground(user);
    const script = (name: string, ...argv: string[]) => t.script(join(t.packs, id, name), ...argv).exitCode;
    expect(script("install.sh", "--dry-run")).toBe(0);
    expect(script("install.sh", "--install")).toBe(0);
    expect(script("install.sh")).toBe(2);
    expect(script("start.sh")).toBe(0);
    expect(script("health_check.sh")).toBe(0);
    expect(script("stop.sh")).toBe(0);
    expect(script("run_tests.sh")).toBe(0);
  }, TIMEOUT_MS);
});

test("stop.sh ends its own process also when that one hangs, and nobody else's", async () => {
  using t = playground("whoever runs the test");
  const pack = join(t.packs, "pack03_os_base");
  const pidFile = join(pack, "data/heartbeat.pid");
  t.script(join(pack, "start.sh"));
  const pid = Number(readFileSync(pidFile, "utf8"));
  process.kill(pid, "SIGSTOP");
  writeFileSync(join(pack, "data/heartbeat"), "1\n");
  expect(t.script(join(pack, "stop.sh")).exitCode).toBe(0);
  expect(hasEnded(pid)).toBe(true);

  const stranger = Bun.spawn(["sleep", "60"]);
  writeFileSync(pidFile, `${stranger.pid}\n`);
  writeFileSync(join(pack, "data/heartbeat"), `${Math.floor(Date.now() / 1000)}\n`);
  expect(t.script(join(pack, "stop.sh")).exitCode).toBe(0);
  expect(stranger.exitCode).toBeNull();
  stranger.kill();
  await stranger.exited;
  expect(stranger.signalCode).toBe("SIGTERM");
}, TIMEOUT_MS);

function upgrade(packs: string, version: string): void {
  const file = join(packs, "pack03_os_base/manifest.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace(/ version: .*/, ` version: "${version}"`));
}
