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
/** So long another daemon that is just starting is waited for, in milliseconds. */
const APPEAR_MS = 5000;
const APPEAR_POLL_MS = 5;
/** So often it is tried where another daemon is in the way that is gone then. */
const TRIES = 3;
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
 * and waits until one listens. Of several that start at once one stays.
 *
 * @throws {AuroraError} `failed` where it cannot be started, with the last it said
 */
export async function startDaemon(options: StartDaemonOptions): Promise<void> {
  const { paths, signal } = options;
  for (let tries = 1; ; tries++) {
    const start = await startOnce(options);
    if (start.isListening) return;
    const failure = await appear(paths, start.saidBefore, signal);
    if (!failure) return;
    // The one that was in its way may have been about to end.
    if (failure.code !== "conflict" || isDaemonLocked(paths) || tries === TRIES) throw failure;
  }
}

type Start = { isListening: boolean; saidBefore: number };

async function startOnce({ paths, self, env }: StartDaemonOptions): Promise<Start> {
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
    return { isListening: !done, saidBefore };
  } finally {
    closeSync(log);
  }
}

/**
 * The one that was started has ended: either another one holds its place by now, and is about to listen, or there is none.
 *
 * @returns why there is none
 */
async function appear(
  paths: HomePaths,
  saidBefore: number,
  signal: AbortSignal,
): Promise<AuroraError | undefined> {
  const deadline = performance.now() + APPEAR_MS;
  while (!(await findDaemon(paths, signal))) {
    if (!isDaemonLocked(paths) || performance.now() >= deadline)
      return notStarted(daemonLog(paths), saidBefore);
    await Bun.sleep(APPEAR_POLL_MS);
  }
  return undefined;
}

/** What has kept the daemon from it, as it has said: in a line with the document that commands print with --json. */
function notStarted(log: string, saidBefore: number): AuroraError {
  const hint = `${log} says more; "aurora daemon" starts it in the foreground`;
  const lines = saidSince(log, saidBefore).trimEnd().split("\n");
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
