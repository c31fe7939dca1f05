import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

import { tryFlock } from "../system/flock.ts";
import { type HomePaths } from "../system/home.ts";

export type DaemonHolder = { pid: number; version: string; started_at: string };

const lockPath = (paths: Pick<HomePaths, "run">) => `${paths.run}/daemon.lock`;

/** A look at who holds the lock holds it too, for less than this: so a start tries again before it gives up. */
const RETRY_MS = 5;
const TRIES = 4;

/**
 * Takes the place of the home's one daemon. The kernel gives it to one of those who race for it, and frees it when the
 * holder dies: nothing is left to clear by hand.
 *
 * @returns undefined where another daemon has it
 */
export async function takeDaemonLock(
  paths: Pick<HomePaths, "run">,
  holder: DaemonHolder,
): Promise<Disposable | undefined> {
  for (let tries = 1; ; tries++) {
    const lock = tryDaemonLock(paths, holder);
    if (lock || tries === TRIES) return lock;
    await Bun.sleep(RETRY_MS);
  }
}

function tryDaemonLock(paths: Pick<HomePaths, "run">, holder: DaemonHolder): Disposable | undefined {
  const descriptor = openSync(lockPath(paths), "a+", 0o600);
  if (!tryFlock(descriptor, "exclusive")) {
    closeSync(descriptor);
    return undefined;
  }
  ftruncateSync(descriptor, 0);
  writeSync(descriptor, JSON.stringify(holder));
  return {
    [Symbol.dispose]() {
      ftruncateSync(descriptor, 0);
      closeSync(descriptor);
    },
  };
}

/** Who is the home's daemon; undefined where there is none, also where a dead one has left its name. */
export function daemonHolder(paths: Pick<HomePaths, "run">): DaemonHolder | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(lockPath(paths), "r");
  } catch {
    return undefined;
  }
  try {
    if (tryFlock(descriptor, "shared")) return undefined;
    return JSON.parse(readFileSync(descriptor, "utf8")) as DaemonHolder;
  } catch {
    return undefined; // It is being written.
  } finally {
    closeSync(descriptor);
  }
}
