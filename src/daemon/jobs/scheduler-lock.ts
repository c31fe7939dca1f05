import { closeSync, existsSync, openSync } from "node:fs";

import { AuroraError } from "../../errors.ts";
import { type HomeLock, readHolder, tryLockFile } from "../../lifecycle/home-lock.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { tryFlock } from "../../system/flock.ts";
import { type HomePaths } from "../../system/home.ts";

/** Its holder may be just ending: so it is tried more than once. */
const TRIES = 5;
const PAUSE_MS = 20;
/** Who only looks whether it is held shares it with others who do: for a moment, which may be long on a busy machine. */
const LOOKED_AT_MS = 5000;

const lockPath = ({ run }: HomePaths) => `${run}/scheduler.lock`;

/**
 * Makes this process the one that runs the jobs of a home, until the lock is disposed of or the process ends.
 *
 * @param command how others call it: "schedule run"
 * @throws {AuroraError} `locked`, naming the holder
 */
export function takeSchedulerLock(
  { paths, now }: Pick<Workspace, "paths" | "now">,
  command: string,
): HomeLock {
  const deadline = performance.now() + LOOKED_AT_MS;
  for (let tries = 1; ; tries++) {
    const lock = tryLockFile(lockPath(paths), now, command);
    if (lock) return lock;
    if (performance.now() >= deadline || (tries >= TRIES && isSchedulerRunning(paths)))
      throw heldError(paths);
    Bun.sleepSync(PAUSE_MS);
  }
}

function heldError(paths: HomePaths): AuroraError {
  const holder = readHolder(lockPath(paths));
  const who = holder ? `"${holder.command}" (pid ${holder.pid}, since ${holder.since})` : "another process";
  return new AuroraError("locked", `cannot run the jobs of this home: ${who} does so already`, {
    hint: "aurora schedule list shows how they are",
  });
}

/** Whether some process runs the jobs of a home. */
export function isSchedulerRunning(paths: HomePaths): boolean {
  if (!existsSync(lockPath(paths))) return false;
  const descriptor = openSync(lockPath(paths), "r");
  try {
    return !tryFlock(descriptor, "shared");
  } finally {
    closeSync(descriptor);
  }
}
