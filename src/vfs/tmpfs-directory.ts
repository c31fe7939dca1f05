import { chmodSync, closeSync, constants, lstatSync, mkdirSync, openSync, statfsSync } from "node:fs";

import { removeBelow } from "./disk-scan.ts";
import { O_PATH } from "./resolve.ts";

/** statfs(2), "TMPFS_MAGIC". */
const TMPFS_MAGIC = 0x0102_1994;
/** A file system in memory that Linux offers to everybody. */
const SHARED_MEMORY = "/dev/shm";

/**
 * Where a memory mount lies that one command after the other uses: a directory in memory that other processes of this user
 * see too. Gone at the next boot.
 *
 * @param data the pack's data, to which it belongs
 * @param mountPath the path of the mount
 * @param scratch a directory that takes its place in a dry run, which leaves nothing behind
 * @returns undefined where there is no such file system, a sandbox keeps it away, or somebody else was there first
 */
export function memoryDirectory(
  data: string,
  mountPath: string,
  uid: number,
  isMaking: boolean,
  scratch?: string,
): string | undefined {
  const name = keyOf(mountPath);
  if (scratch !== undefined) return privateDirectory(scratch, uid, [`.aurora-memory-${name}`], isMaking);
  return tmpfsDirectory(SHARED_MEMORY, uid, [packName(data, uid), name], isMaking);
}

/** Removes what the memory mounts of a pack hold, for a pack whose data is removed. */
export function removeMemoryDirectories(data: string, uid: number): void {
  // Nobody else can take the place of what is this user's own: the directory above is sticky.
  if (tmpfsDirectory(SHARED_MEMORY, uid, [packName(data, uid)], false) === undefined) return;
  const descriptor = openSync(SHARED_MEMORY, O_PATH | constants.O_DIRECTORY);
  try {
    removeBelow(descriptor, packName(data, uid));
  } finally {
    closeSync(descriptor);
  }
}

function packName(data: string, uid: number): string {
  return `aurora-${uid}-${keyOf(data)}`;
}

function keyOf(text: string): string {
  return Bun.CryptoHasher.hash("sha256", text, "hex").slice(0, 32);
}

/**
 * A directory on a file system that is in memory.
 *
 * @param base a directory that everybody may write to
 * @param names below it, one in another; each must be this user's own and closed to others
 * @param isMaking create it where it is not there yet
 */
export function tmpfsDirectory(
  base: string,
  uid: number,
  names: readonly string[],
  isMaking: boolean,
): string | undefined {
  try {
    if (statfsSync(base).type !== TMPFS_MAGIC) return undefined;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === undefined) throw thrown;
    return undefined;
  }
  return privateDirectory(base, uid, names, isMaking);
}

function privateDirectory(
  base: string,
  uid: number,
  names: readonly string[],
  isMaking: boolean,
): string | undefined {
  try {
    let path = base;
    for (const name of names) {
      path += `/${name}`;
      if (isMaking) makePrivate(path);
      const stat = lstatSync(path);
      if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & 0o077) !== 0) return undefined;
    }
    return path;
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === undefined) throw thrown;
    return undefined;
  }
}

function makePrivate(path: string): void {
  try {
    mkdirSync(path, 0o700);
    chmodSync(path, 0o700);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
  }
}
