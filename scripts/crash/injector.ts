import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { identify, type ProcessIdentity, send } from "../../src/process/tree.ts";

/** What is done to a command at one of its calls: see inject.c. */
type Injection =
  "count" | "kill" | "kill-all" | "torn" | "short" | "error" | "error-on" | "cut-power" | "record";

/** With when it began: it ends by itself when all that it traces has ended, and then its number may be anybody's. */
export type Tracer = ProcessIdentity | undefined;

export type Traced = {
  exitCode: number;
  stdout: string;
  stderr: string;
  /** The calls that change files, as the log has them, with the home's path taken out. */
  points: string[];
  /** Whether the call that was meant was reached. */
  wasHit: boolean;
  /** The process that traces what the command has left running; undefined where there is none. */
  tracer: Tracer;
};

export type Inject = {
  mode: Injection;
  at?: number;
  errno?: number;
  mount?: string;
  record?: string;
  /** Flushes do nothing: a disk that lies. */
  lies?: boolean;
};

/** Builds the injector with the system's C compiler; the reason where that is not possible. */
export function buildInjector(directory: string): { path: string } | { reason: string } {
  if (process.platform !== "linux") return { reason: "system calls are only traced on Linux" };
  const compiler = Bun.which("cc") ?? Bun.which("gcc") ?? Bun.which("clang");
  if (compiler === null) return { reason: "there is no C compiler (cc)" };
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "inject");
  const built = Bun.spawnSync([compiler, "-O2", "-Wall", "-o", path, join(import.meta.dir, "inject.c")]);
  if (built.exitCode !== 0)
    return { reason: `the injector cannot be compiled: ${built.stderr.toString().trim()}` };
  const trial = Bun.spawnSync([path, "--root", directory, "--mode", "count", "--", "true"]);
  if (trial.exitCode !== 0) return { reason: "this system does not allow ptrace" };
  return { path };
}

/**
 * Runs a command under the injector.
 *
 * @param scratch a directory for the log and for what it prints
 * @param timeoutSeconds for the command itself; then everything of it is killed, and the exit code is 124
 */
export async function runInjected(
  injector: string,
  argv: readonly string[],
  home: string,
  scratch: string,
  { mode, at, errno, mount, record, lies }: Inject,
  timeoutSeconds = 60,
): Promise<Traced> {
  const files = { log: `${scratch}/log`, stdout: `${scratch}/stdout`, stderr: `${scratch}/stderr` };
  // Opening them again does not cut what was in them.
  for (const file of Object.values(files)) rmSync(file, { force: true });
  const options: [name: string, value: string | number | undefined][] = [
    ["--root", home],
    ["--mode", mode],
    ["--at", at],
    ["--errno", errno],
    ["--mount", mount],
    ["--record", record],
    ["--lie", lies === true ? "yes" : undefined],
    ["--log", files.log],
    ["--timeout", timeoutSeconds],
  ];
  const given = options.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
  const child = Bun.spawn([injector, ...given, "--", ...argv], {
    env: crashEnvironment(home),
    stdin: "ignore",
    stdout: Bun.file(files.stdout),
    stderr: Bun.file(files.stderr),
  });
  const exitCode = await child.exited;
  const lines = readFileSync(files.log, "utf8").trimEnd().split("\n");
  const tail = /^# points=\d+ hit=(\d) tracer=(\d+)/.exec(lines.at(-1) ?? "");
  return {
    exitCode,
    stdout: readFileSync(files.stdout, "utf8"),
    stderr: readFileSync(files.stderr, "utf8"),
    points: lines
      .filter((line) => /^\d/.test(line))
      .map((line) => line.replace(/^\d+ /, "").replaceAll(`${home}/`, "").replaceAll(home, ".")),
    wasHit: tail?.[1] === "1",
    tracer: identify(Number(tail?.[2] ?? 0)),
  };
}

/** The environment of every command of the crash test: nothing but what Aurora needs. */
function crashEnvironment(home: string): Record<string, string> {
  return {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
    HOME: "/nonexistent",
    AURORA_HOME: home,
  };
}

/** Ends a tracer, and by that what it still traces. */
export function endTracer(tracer: Tracer): void {
  if (tracer) send(tracer, "SIGKILL");
}
