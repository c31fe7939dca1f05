import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { tryFlock } from "../system/flock.ts";
import { type HomePaths } from "../system/home.ts";

export type DaemonHolder = { pid: number; version: string; started_at: string };

export type DaemonLock = Disposable & {
  /**
   * Takes it again where somebody has removed its file: else the next one who wants the place gets it as well.
   *
   * @returns false where another daemon has it by now
   */
  keep: () => boolean;
};

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
): Promise<DaemonLock | undefined> {
  for (let tries = 1; ; tries++) {
    const lock = tryDaemonLock(paths, holder);
    if (lock || tries === TRIES) return lock;
    await Bun.sleep(RETRY_MS);
  }
}

function tryDaemonLock(paths: Pick<HomePaths, "run">, holder: DaemonHolder): DaemonLock | undefined {
  const first = openLocked(paths, holder);
  if (first === undefined) return undefined;
  let descriptor = first;
  return {
    keep() {
      if (isFileOf(descriptor, lockPath(paths))) return true;
      const again = openLocked(paths, holder);
      if (again === undefined) return false;
      closeSync(descriptor);
      descriptor = again;
      return true;
    },
    [Symbol.dispose]() {
      ftruncateSync(descriptor, 0);
      closeSync(descriptor);
    },
  };
}

function openLocked(paths: Pick<HomePaths, "run">, holder: DaemonHolder): number | undefined {
  const descriptor = openSync(lockPath(paths), "a+", 0o600);
  if (!tryFlock(descriptor, "exclusive")) {
    closeSync(descriptor);
    return undefined;
  }
  ftruncateSync(descriptor, 0);
  writeSync(descriptor, JSON.stringify(holder));
  return descriptor;
}

function isFileOf(descriptor: number, path: string): boolean {
  const [own, there] = [fstatSync(descriptor), statSync(path, { throwIfNoEntry: false })];
  return there?.dev === own.dev && there.ino === own.ino;
}

/**
 * Who is the home's daemon; undefined where there is none, also where a dead one has left its name.
 *
 * @throws {AuroraError} `home-unusable` where this user may not look
 */
export function daemonHolder(paths: Pick<HomePaths, "run">): DaemonHolder | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(lockPath(paths), "r");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EACCES") return undefined;
    throw new AuroraError("home-unusable", `cannot open "${lockPath(paths)}": permission denied`, {
      cause: thrown,
      hint: "call aurora as the user who owns the home, or give another --home DIR",
    });
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
