import { chmodSync, lstatSync, mkdirSync, statfsSync } from "node:fs";

/** statfs(2), "TMPFS_MAGIC". */
const TMPFS_MAGIC = 0x0102_1994;

/**
 * A directory in memory that other processes of this user see too, for a memory mount that a pack's scripts use by one
 * command after the other. Gone at the next boot.
 *
 * @param base a directory that everybody may write to: "/dev/shm"
 * @param names below it, one in another; each must be this user's own and closed to others
 * @param isMaking create it where it is not there yet
 * @returns undefined where there is no such file system, a sandbox keeps it away, or somebody else was there first
 */
export function tmpfsDirectory(
  base: string,
  uid: number,
  names: readonly string[],
  isMaking: boolean,
): string | undefined {
  try {
    if (statfsSync(base).type !== TMPFS_MAGIC) return undefined;
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
