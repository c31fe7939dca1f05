import { closeSync, existsSync, ftruncateSync, openSync, readFileSync } from "node:fs";

import { AuroraError, systemReason } from "../errors.ts";
import { writeFully } from "../system/durable.ts";
import { tryFlock } from "../system/flock.ts";
import { randomHex } from "../system/random-id.ts";
import { formatDuration } from "../system/units.ts";
import { type Workspace } from "./workspace.ts";

/** How often a waiting command looks whether the lock is free, in milliseconds. */
const POLL_MS = 25;

export type Holder = { pid: number; command: string; since: string; token: string };

/** A lock; the home's one: whoever holds it may change what is live. */
export type HomeLock = {
  /** What the scripts that its holder runs get as `AURORA_LOCK`: it shows that they are part of what is going on. */
  token: string;
  [Symbol.dispose]: () => void;
};

/** Takes the lock where it is free. The kernel drops it when its holder dies, so there is nothing to clear by hand. */
export function tryHomeLock(
  workspace: Pick<Workspace, "paths" | "now">,
  command: string,
): HomeLock | undefined {
  return tryLockFile(workspace.paths.lock, workspace.now, command);
}

/** Takes a lock of which at most one process holds it, and writes into its file who that is. */
export function tryLockFile(path: string, now: () => Date, command: string): HomeLock | undefined {
  const descriptor = openSync(path, "a+", 0o600);
  if (!tryFlock(descriptor, "exclusive")) {
    closeSync(descriptor);
    return undefined;
  }
  const token = randomHex(16);
  const holder: Holder = { pid: process.pid, command, since: now().toISOString(), token };
  try {
    ftruncateSync(descriptor, 0);
    writeFully(descriptor, Buffer.from(JSON.stringify(holder)));
  } catch (thrown) {
    // On a full disk: whoever lives on after that, as the daemon does, must not hold it for good.
    closeSync(descriptor);
    throw Object.assign(thrown as NodeJS.ErrnoException, { path });
  }
  return {
    token,
    [Symbol.dispose]() {
      forgetHolder(descriptor);
      closeSync(descriptor);
    },
  };
}

/** Who held it is only for show: what was done under the lock does not fail for it, and it is let go in any case. */
function forgetHolder(descriptor: number): void {
  try {
    ftruncateSync(descriptor, 0);
  } catch (thrown) {
    if (systemReason(thrown) === undefined) throw thrown;
  }
}

/**
 * Holds the lock for a look, as soon as it is free.
 *
 * @param command as `takeHomeLock` has it
 * @returns undefined where nobody has ever held it
 * @throws {AuroraError} as `takeHomeLock`
 */
export async function waitForLook(
  workspace: Pick<Workspace, "paths" | "signal">,
  command: string,
  waitMs: number,
): Promise<Disposable | undefined> {
  if (!existsSync(workspace.paths.lock)) return undefined;
  return await waitFor(workspace, command, waitMs, () => holdForLook(workspace.paths));
}

/**
 * Holds the lock for a look, where it is free: nobody changes what is live meanwhile. It is over before anybody could ask who that is, so
 * that nothing is written.
 */
export function holdForLook({ lock }: Pick<Workspace["paths"], "lock">): Disposable | undefined {
  if (!existsSync(lock)) return undefined;
  const descriptor = openSync(lock, "r");
  const hold = { [Symbol.dispose]: () => closeSync(descriptor) };
  if (tryFlock(descriptor, "exclusive")) return hold;
  hold[Symbol.dispose]();
  return undefined;
}

/**
 * Takes the lock, waiting for another transaction to end.
 *
 * @param command what is to be done, for those who wait: `install pack03_os_base`
 * @param waitMs how long to wait; 0 tries once
 * @throws {AuroraError} `locked`, naming the holder; `interrupted`
 */
export async function takeHomeLock(
  workspace: Pick<Workspace, "paths" | "now" | "signal">,
  command: string,
  waitMs: number,
): Promise<HomeLock> {
  return await waitFor(workspace, command, waitMs, () => tryHomeLock(workspace, command));
}

async function waitFor<Lock>(
  workspace: Pick<Workspace, "paths" | "signal">,
  command: string,
  waitMs: number,
  attempt: () => Lock | undefined,
): Promise<Lock> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const lock = attempt();
    if (lock) return lock;
    if (workspace.signal.aborted)
      throw new AuroraError("interrupted", "stopped while waiting for another transaction");
    if (performance.now() >= deadline) throw lockedError(workspace, command, waitMs);
    await Bun.sleep(Math.min(POLL_MS, Math.max(1, deadline - performance.now())));
  }
}

/**
 * Whether the caller is a script that the present holder of the lock runs: then it is part of that work, and neither waits for
 * the lock nor takes it. A process that a start has left behind keeps the token, but by then nobody holds the lock with it.
 *
 * @param token `AURORA_LOCK` of the caller's environment
 */
export function isInsideLock(paths: Pick<Workspace["paths"], "lock">, token: string | undefined): boolean {
  if (token === undefined || token === "" || readHolder(paths.lock)?.token !== token) return false;
  const descriptor = openSync(paths.lock, "r");
  try {
    return !tryFlock(descriptor, "shared");
  } finally {
    closeSync(descriptor);
  }
}

function lockedError(workspace: Pick<Workspace, "paths">, command: string, waitMs: number): AuroraError {
  const holder = readHolder(workspace.paths.lock);
  const who = holder ? `"${holder.command}" (pid ${holder.pid}, since ${holder.since})` : "another command";
  return new AuroraError(
    "locked",
    `cannot ${command}: ${who} is at work and did not end within ${formatDuration(waitMs)}`,
    {
      hint: "try again, or wait longer with --wait 60s",
    },
  );
}

/** Who has written into a lock's file; whether they still hold it, only the lock itself tells. */
export function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Holder;
  } catch {
    return undefined; // It is being written, or was let go just now.
  }
}

/**
 * Says that staged trees are being worked with, so that `gc` waits: many may say so at once.
 *
 * @returns undefined where `exclusive` is asked for and somebody is at work
 */
export function holdStaging(paths: Workspace["paths"], kind: "shared" | "exclusive"): Disposable | undefined {
  const descriptor = openSync(`${paths.run}/staging.lock`, "a+", 0o600);
  // A shared hold can only be kept waiting by a gc, which is short.
  while (!tryFlock(descriptor, kind)) {
    if (kind === "exclusive") {
      closeSync(descriptor);
      return undefined;
    }
    Bun.sleepSync(POLL_MS);
  }
  return { [Symbol.dispose]: () => closeSync(descriptor) };
}
