import { closeSync, fstatSync, ftruncateSync, openSync, readSync, statSync, writeSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { identify, isAlive } from "../process/tree.ts";
import { tryFlock } from "../system/flock.ts";
import { type HomePaths } from "../system/home.ts";
import { keepFromPrograms } from "../system/replace-program.ts";

export type DaemonHolder = { pid: number; version: string; started_at: string };

/** As it is written into the lock's file; one that an earlier version has written does not tell the process from a later one. */
type WrittenHolder = DaemonHolder & { start_time?: number; boot_id?: string };

export type DaemonLock = Disposable & {
  /**
   * Takes it again where somebody has removed its file: else the next one who wants the place gets it as well.
   *
   * @returns false where another daemon has it by now
   */
  keep: () => boolean;
  /**
   * For the program that is put in this one's place: the lock is not let go of at the end any more, so that nobody else gets it in
   * between.
   *
   * @returns the descriptor that it is held by, which that program has to be given; undefined where it cannot be
   */
  handOver: () => number | undefined;
};

/** Some numbers and a version. */
const HOLDER_BYTES = 1024;

const lockPath = (paths: Pick<HomePaths, "run">) => `${paths.run}/daemon.lock`;

/** A daemon may be just ending: so a start tries again before it gives up. */
const RETRY_MS = 5;
const TRIES = 4;
/** Who only looks whether there is one holds the lock too: for a moment, which may be long on a busy machine, and so long at most. */
const LOOKED_AT_MS = 5000;

/**
 * Takes the place of the home's one daemon. The kernel gives it to one of those who race for it, and frees it when the
 * holder dies: nothing is left to clear by hand.
 *
 * @param inherited by what the program in whose place this one was put has held it (`handOver`)
 * @returns undefined where another daemon has it
 */
export async function takeDaemonLock(
  paths: Pick<HomePaths, "run">,
  holder: DaemonHolder,
  inherited?: number,
): Promise<DaemonLock | undefined> {
  const own = inherited === undefined ? undefined : openInherited(paths, inherited);
  if (own !== undefined) return lockOf(paths, holder, own);
  const deadline = performance.now() + LOOKED_AT_MS;
  for (let tries = 1; ; tries++) {
    const descriptor = openLocked(paths);
    if (descriptor !== undefined) return lockOf(paths, holder, descriptor);
    if (performance.now() >= deadline || (tries >= TRIES && isDaemonLocked(paths))) return undefined;
    await Bun.sleep(RETRY_MS);
  }
}

function lockOf(paths: Pick<HomePaths, "run">, holder: DaemonHolder, locked: number): DaemonLock {
  let descriptor = locked;
  let isHandedOver = false;
  writeHolder(descriptor, holder);
  return {
    keep() {
      if (isFileOf(descriptor, lockPath(paths))) return true;
      const again = openLocked(paths);
      if (again === undefined) return false;
      writeHolder(again, holder);
      closeSync(descriptor);
      descriptor = again;
      return true;
    },
    handOver() {
      if (process.platform !== "linux") return undefined;
      isHandedOver = true;
      return descriptor;
    },
    [Symbol.dispose]() {
      if (isHandedOver) return;
      ftruncateSync(descriptor, 0);
      closeSync(descriptor);
    },
  };
}

function openLocked(paths: Pick<HomePaths, "run">): number | undefined {
  const descriptor = openSync(lockPath(paths), "a+", 0o600);
  if (tryFlock(descriptor, "exclusive")) return descriptor;
  closeSync(descriptor);
  return undefined;
}

/** Whatever somebody may have said is inherited, it counts only where it is the lock, and held by it. */
function openInherited(paths: Pick<HomePaths, "run">, inherited: number): number | undefined {
  try {
    if (!isFileOf(inherited, lockPath(paths)) || !tryFlock(inherited, "exclusive")) return undefined;
  } catch {
    return undefined; // EBADF
  }
  keepFromPrograms(inherited);
  return inherited;
}

function writeHolder(descriptor: number, holder: DaemonHolder): void {
  ftruncateSync(descriptor, 0);
  const self = identify(process.pid);
  const written: WrittenHolder = {
    ...holder,
    ...(self && { start_time: self.startTime, boot_id: self.bootId }),
  };
  writeSync(descriptor, JSON.stringify(written));
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
    const written = readWritten(descriptor);
    // A daemon has the lock as long as it lives: that it does is told sooner than the C library, which tries locks, is bound.
    if (written && isWriterAlive(written)) return written;
    return tryFlock(descriptor, "shared") ? undefined : readWritten(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Whether the place of the home's daemon is taken, also by one that has not written yet who it is. A daemon holds the lock for itself, and
 * whoever looks shares it with others who do.
 */
export function isDaemonLocked(paths: Pick<HomePaths, "run">): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(lockPath(paths), "r");
  } catch {
    return false; // ENOENT: the home has gone.
  }
  try {
    return !tryFlock(descriptor, "shared");
  } finally {
    closeSync(descriptor);
  }
}

function readWritten(descriptor: number): WrittenHolder | undefined {
  const bytes = new Uint8Array(HOLDER_BYTES);
  const length = readSync(descriptor, bytes, 0, HOLDER_BYTES, 0);
  try {
    return JSON.parse(new TextDecoder().decode(bytes.subarray(0, length))) as WrittenHolder;
  } catch {
    return undefined; // It is being written, or a daemon has ended.
  }
}

function isWriterAlive({ pid, start_time: startTime, boot_id: bootId }: WrittenHolder): boolean {
  return startTime !== undefined && bootId !== undefined && isAlive({ pid, startTime, bootId });
}
