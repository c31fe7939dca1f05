import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";

import { AuroraError, type ErrorDocument } from "../errors.ts";
import { rotateLogs } from "../lifecycle/script-log.ts";
import { ensureHome } from "../system/ensure-home.ts";
import { type HomePaths } from "../system/home.ts";
import { errorOf, findDaemon } from "./client.ts";
import { isDaemonLocked } from "./daemon-lock.ts";
import { daemonRuntime } from "./daemon-runtime.ts";

/** A daemon that a command has started ends after so long without anything to do. */
const AUTO_IDLE_EXIT = "60s";
/** So long another daemon is waited for that is just starting, or just ending: it lets its jobs come to their end. In milliseconds. */
const OTHER_MS = 20_000;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 50;
/** Variables that the daemon is started with; all others are the business of whoever happens to start it. */
const PASSED = /^(PATH|HOME|LANG|LC_[A-Z]+|TZ|USER|LOGNAME|XDG_RUNTIME_DIR)$/;

export type StartDaemonOptions = {
  paths: HomePaths;
  self: string;
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
};

const PREFIX = /^cannot start the daemon: /;

/** Where a daemon in the background writes what it has to say. */
const daemonLog = (paths: Pick<HomePaths, "logs">) => `${paths.logs}/daemon.log`;

/**
 * Starts a daemon in the background, in a session of its own, with no terminal, `/` as its directory and a clean environment,
 * and waits until one listens. Of several that start at once one stays. Where another one is just ending, that is waited for.
 *
 * @throws {AuroraError} `failed` where it cannot be started, with the last it said
 */
export async function startDaemon(options: StartDaemonOptions): Promise<void> {
  const deadline = performance.now() + OTHER_MS;
  for (;;) {
    const said = await spawnDaemon(options);
    if (said === undefined || (await isOtherThere(options, deadline))) return;
    const failure = notStarted(options.paths, said);
    // It was one too many, and the other one has ended since.
    if (failure.code !== "conflict" || performance.now() >= deadline) throw failure;
  }
}

/** @returns undefined where it listens; else what it has said instead */
async function spawnDaemon({ paths, self, env }: StartDaemonOptions): Promise<string | undefined> {
  ensureHome(paths);
  rotateLogs([daemonLog(paths)]);
  const log = openSync(daemonLog(paths), "a", 0o600);
  const saidBefore = fstatSync(log).size;
  try {
    const child = Bun.spawn([self, "daemon", "--home", paths.home, "--idle-exit", AUTO_IDLE_EXIT, "--json"], {
      cwd: "/",
      env: {
        ...Object.fromEntries(
          Object.entries(env).flatMap(([name, value]) =>
            value !== undefined && PASSED.test(name) ? [[name, value]] : [],
          ),
        ),
        ...daemonRuntime,
      },
      stdio: ["ignore", "pipe", log],
      detached: true,
    });
    // It prints what it is as soon as it listens; one that finds another ends without a word on stdout.
    const said = child.stdout.getReader();
    const { done } = await said.read();
    // Not before: what the runtime need not wait for it asks for in a loop, on the processor that the daemon needs.
    await said.cancel();
    child.unref();
    return done ? saidSince(daemonLog(paths), saidBefore) : undefined;
  } finally {
    closeSync(log);
  }
}

/** Waits until another one that has the place listens, or has ended. Returns whether it listens. */
async function isOtherThere({ paths, signal }: StartDaemonOptions, deadline: number): Promise<boolean> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    if (await findDaemon(paths, signal)) return true;
    if (!isDaemonLocked(paths) || performance.now() >= deadline) return false;
    await Bun.sleep(pauseMs);
  }
}

/** What has kept the daemon from it, as it has said: in a line with the document that commands print with --json. */
function notStarted(paths: HomePaths, said: string): AuroraError {
  const hint = `${daemonLog(paths)} says more; "aurora daemon" starts it in the foreground`;
  const lines = said.trimEnd().split("\n");
  const error = lines.map(errorIn).findLast((found) => found !== undefined);
  if (!error) {
    const diagnostics = lines.slice(-1).flatMap((message) => (message === "" ? [] : [{ message }]));
    return new AuroraError("failed", "cannot start the daemon", { diagnostics, hint });
  }
  // It says so itself where it was one too many.
  const message = `cannot start the daemon: ${error.message.replace(PREFIX, "")}`;
  return errorOf({ ...error, message, hint: error.hint ?? hint });
}

function errorIn(line: string): ErrorDocument["error"] | undefined {
  try {
    return (JSON.parse(line) as ErrorDocument).error;
  } catch {
    return undefined;
  }
}

function saidSince(log: string, from: number): string {
  try {
    return readFileSync(log).subarray(from).toString("utf8");
  } catch {
    return "";
  }
}
