import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  type Stats,
  unlinkSync,
} from "node:fs";

import { TEMPORARY_PREFIX, writeFully } from "../system/durable.ts";
import { tryFlock } from "../system/flock.ts";
import { randomHex } from "../system/random-id.ts";
import { renameNew } from "../system/renameat2.ts";
import { type Accounting } from "./accounting.ts";
import { type DiskRoot, findPlace, openOrMake, type Place, syncOpenDirectory } from "./disk-root.ts";
import { hasAllNamesInside } from "./disk-scan.ts";
import { type OpenLog, type PendingFile, type WriteOptions } from "./mount.ts";
import { placeOf } from "./resolve.ts";
import { explain, refusal, requireFile, requireFileName, vfsError } from "./vfs-error.ts";
import { splitPath, type VfsPath } from "./vfs-path.ts";

const { O_APPEND, O_CREAT, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;
/** A fifo must not keep anybody waiting, and a terminal must not become ours. */
export const FILE = O_NONBLOCK | O_NOCTTY;
const CREATE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
const NEW_FILE_MODE = 0o640;

/** Unfinished files of this process begin so; a counter makes each its own. */
const temporaryStem = `${TEMPORARY_PREFIX}${process.pid}.${randomHex(6)}`;
let counter = 0;

/**
 * A file that takes its name by a rename when it is whole. An old file keeps its mode; a symlink is followed while it stays
 * inside and is never replaced.
 *
 * @param isLocked hold a lock meanwhile, so that a sweep does not take it for abandoned however slowly it grows
 */
export function createPending(
  root: DiskRoot,
  accounting: Accounting,
  path: VfsPath,
  options: WriteOptions,
  isLocked: boolean,
): PendingFile {
  requireFileName(path, "write");
  try {
    if (options.hasParents)
      closeSync(openOrMake(root, splitPath(path.relative).above, options.isDurable === true));
    const place = findPlace(root, path.relative, options.isNew ? "keep" : "follow");
    try {
      return pendingAt(accounting, place, path, options, isLocked);
    } catch (thrown) {
      closeSync(place.directory);
      throw thrown;
    }
  } catch (thrown) {
    throw explain(thrown, path, "write");
  }
}

function pendingAt(
  accounting: Accounting,
  { directory, path: final, old }: Place,
  path: VfsPath,
  { isNew = false, isDurable = false, mode = NEW_FILE_MODE }: WriteOptions,
  isLocked: boolean,
): PendingFile {
  if (old && isNew) throw refusal("EEXIST", path, "write");
  if (old) requireFile(path, old, "write");
  const oldBytes = old?.size ?? 0;
  const added = old ? 0 : 1;
  accounting.require(0, added, path, "write");
  const temporary = placeOf(directory, `${temporaryStem}.${(counter++).toString(36)}`);
  const descriptor = openSync(temporary, CREATE, old ? 0o600 : mode);
  let state: "open" | "named" | "closed" = "open";
  let written = 0;
  try {
    if (isLocked) tryFlock(descriptor, "shared");
    if (old) takeOver(descriptor, old.mode & 0o777, old.uid, old.gid);
  } catch (thrown) {
    closeSync(descriptor);
    unlinkSync(temporary);
    throw thrown;
  }
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (thrown) {
      throw explain(thrown, path, "write");
    }
  };
  return {
    descriptor,
    write: (bytes) =>
      guarded(() => {
        accounting.require(written + bytes.length - oldBytes, added, path, "write");
        writeFully(descriptor, bytes);
        written += bytes.length;
      }),
    commit: () =>
      guarded(() => {
        if (accounting.isLimited) {
          written = fstatSync(descriptor).size;
          accounting.require(written - oldBytes, added, path, "write");
        }
        if (isDurable) fsyncSync(descriptor);
        if (isNew) renameNew(terminated(temporary), terminated(final));
        else renameSync(temporary, final);
        state = "named";
        accounting.add(written - oldBytes, added);
        if (isDurable) syncOpenDirectory(directory);
      }),
    [Symbol.dispose]: () => {
      if (state === "closed") return;
      const isUnfinished = state === "open";
      state = "closed";
      if (isUnfinished) unlinkSync(temporary);
      closeSync(descriptor);
      closeSync(directory);
    },
  };
}

/** As root, a file stays its owner's: a pack that runs as a user of its own must be able to go on with it. */
function takeOver(descriptor: number, mode: number, uid: number, gid: number): void {
  if (process.geteuid?.() === 0 && (uid !== 0 || gid !== 0)) fchownSync(descriptor, uid, gid);
  fchmodSync(descriptor, mode);
}

/** Puts new content into the file that is there: no new inode, but a reader may see a part of it. */
export function writeInPlace(
  root: DiskRoot,
  accounting: Accounting,
  path: VfsPath,
  bytes: Uint8Array,
  options: WriteOptions,
): void {
  requireFileName(path, "write");
  try {
    const descriptor = openForChange(root, accounting, path, options, O_WRONLY);
    try {
      const old = fstatSync(descriptor);
      requireChangeable(root, path, old, "write");
      accounting.require(bytes.length - old.size, 0, path, "write");
      writeFully(descriptor, bytes);
      // Not before: ext4 flushes at the close what was cut to nothing and written anew.
      if (old.size > bytes.length) ftruncateSync(descriptor, bytes.length);
      accounting.add(bytes.length - old.size, 0);
      if (options.isDurable) fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (thrown) {
    throw explain(thrown, path, "write");
  }
}

/**
 * Opens a file for adding to its end, under an exclusive lock (flock(2)) that all who append here take.
 *
 * @returns undefined while somebody else holds it
 */
export function openDiskLog(
  root: DiskRoot,
  accounting: Accounting,
  path: VfsPath,
  options: WriteOptions,
): OpenLog | undefined {
  requireFileName(path, "append to");
  try {
    if (options.hasParents)
      closeSync(openOrMake(root, splitPath(path.relative).above, options.isDurable === true));
    const descriptor = openForChange(root, accounting, path, options, O_WRONLY | O_APPEND);
    try {
      const old = fstatSync(descriptor);
      requireChangeable(root, path, old, "append to");
      if (!tryFlock(descriptor, "exclusive") || !isStillAt(root, path, descriptor)) {
        closeSync(descriptor);
        return undefined;
      }
      return logOn(accounting, path, descriptor, options.isDurable === true);
    } catch (thrown) {
      closeSync(descriptor);
      throw thrown;
    }
  } catch (thrown) {
    throw explain(thrown, path, "append to");
  }
}

function logOn(accounting: Accounting, path: VfsPath, descriptor: number, isDurable: boolean): OpenLog {
  const start = fstatSync(descriptor).size;
  let written = 0;
  let isWhole = false;
  let isOpen = true;
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (thrown) {
      throw explain(thrown, path, "append to");
    }
  };
  return {
    write: (bytes) =>
      guarded(() => {
        accounting.require(written + bytes.length, 0, path, "append to");
        writeFully(descriptor, bytes);
        written += bytes.length;
      }),
    commit: () =>
      guarded(() => {
        if (isDurable) fsyncSync(descriptor);
        accounting.add(written, 0);
        isWhole = true;
      }),
    [Symbol.dispose]: () => {
      if (!isOpen) return;
      isOpen = false;
      try {
        // Half a record would be taken for a record by the next reader.
        if (!isWhole && fstatSync(descriptor).size > start) ftruncateSync(descriptor, start);
      } finally {
        closeSync(descriptor);
      }
    },
  };
}

/** Opens a file that is there, or creates it. Nothing is cut off. */
function openForChange(
  root: DiskRoot,
  accounting: Accounting,
  path: VfsPath,
  options: WriteOptions,
  flags: number,
): number {
  if (!options.isNew) {
    try {
      return root.resolve(root.descriptor, path.relative, flags | FILE);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    }
  }
  accounting.require(0, 1, path, "write");
  const place = findPlace(root, path.relative, options.isNew ? "keep" : "follow");
  try {
    const descriptor = openSync(
      place.path,
      flags | FILE | O_CREAT | O_EXCL | O_NOFOLLOW,
      options.mode ?? NEW_FILE_MODE,
    );
    accounting.add(0, 1);
    return descriptor;
  } catch (thrown) {
    // Somebody was quicker: then it is there, and the next try finds it.
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST" || options.isNew) throw thrown;
    return root.resolve(root.descriptor, path.relative, flags | FILE);
  } finally {
    closeSync(place.directory);
  }
}

/** What is changed in place changes under all its names, so none of them may be outside. */
function requireChangeable(root: DiskRoot, path: VfsPath, stat: Stats, verb: string): void {
  requireFile(path, stat, verb);
  requireOwn(root, path, stat, verb);
}

/** Refuses a file that has a name outside the root, where those count as outside. */
export function requireOwn(root: DiskRoot, path: VfsPath, stat: Stats, verb: string): void {
  if (stat.nlink <= 1 || !root.hasOwnFilesOnly || hasAllNamesInside(root, stat)) return;
  throw vfsError("escape-refused", path, verb, "it has another name, which is outside the pack's root");
}

/** Between the open and the lock, somebody may have put a new file in the place. */
function isStillAt(root: DiskRoot, path: VfsPath, descriptor: number): boolean {
  const mine = fstatSync(descriptor);
  const place = findPlace(root, path.relative, "follow");
  closeSync(place.directory);
  return place.old?.ino === mine.ino && place.old.dev === mine.dev;
}

function terminated(place: string | Buffer): string | Buffer {
  return typeof place === "string" ? place : Buffer.concat([place, Buffer.of(0)]);
}
