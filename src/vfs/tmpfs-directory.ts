import { chmodSync, closeSync, constants, lstatSync, mkdirSync, openSync, statfsSync } from "node:fs";

import { removeBelow } from "./disk-scan.ts";
import { O_PATH } from "./resolve.ts";

/** statfs(2), "TMPFS_MAGIC". */
const TMPFS_MAGIC = 0x0102_1994;
/** A file system in memory that Linux offers to everybody. */
const SHARED_MEMORY = "/dev/shm";

/**
 * Where a memory mount lies that commands and scripts share: a directory in memory, in one that belongs to whoever calls Aurora.
 * Gone at the next boot.
 *
 * @param data the pack's data, to which it belongs
 * @param mountPath the path of the mount
 * @param uid whoever calls Aurora; where that is root, the directory may be given to another user
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
 * @param names below it, one in another. The first must be this user's own, and no other may list it or write to it; so what is
 *   in it, this user has made, and for root may have given away
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
    for (const [index, name] of names.entries()) {
      path += `/${name}`;
      const isOuter = index === 0;
      // Root's packs are other users, on their way to what is theirs.
      const mode = isOuter && uid === 0 ? 0o711 : 0o700;
      if (isMaking) makePrivate(path, mode);
      const stat = lstatSync(path);
      if (!stat.isDirectory() || (isOuter && (stat.uid !== uid || (stat.mode & 0o066) !== 0)))
        return undefined;
      if (isMaking && isOuter && (stat.mode & 0o777) !== mode) chmodSync(path, mode);
    }
    return path;
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === undefined) throw thrown;
    return undefined;
  }
}

function makePrivate(path: string, mode: number): void {
  try {
    mkdirSync(path, mode);
    chmodSync(path, mode);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
  }
}
