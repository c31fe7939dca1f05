import { closeSync, constants, fstatSync, openSync, rmSync } from "node:fs";

const O_CLOEXEC = process.platform === "darwin" ? 0x0100_0000 : 0o2_000_000;
const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;
/** Neither is a link followed, nor does a FIFO make the caller wait. */
const SAFE = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
const LOG_MODE = 0o640;

/*
 * Files in directories that somebody less trusted may write to: where a file was, there may be a link to one that only the
 * caller can write, another name of it, or a FIFO.
 */

/**
 * Opens a regular file for reading, or for reading and appending; undefined where there is none, or something else in its
 * place.
 */
export function openRegular(path: string, mode: "read" | "append" = "read"): number | undefined {
  try {
    return regular(openSync(path, (mode === "read" ? O_RDONLY : O_RDWR | O_APPEND) | SAFE));
  } catch {
    return undefined;
  }
}

/**
 * Opens a log for appending and reading, and makes it where there is none. What is no regular file, or has a second name, is
 * removed first: then the log begins anew.
 *
 * @throws what node:fs throws
 */
export function openLog(path: string): number {
  const flags = O_RDWR | O_APPEND | O_CREAT | SAFE;
  try {
    const descriptor = regular(openSync(path, flags, LOG_MODE));
    if (descriptor !== undefined) return descriptor;
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== "ELOOP" && code !== "EISDIR" && code !== "ENXIO") throw thrown;
  }
  return openNewLog(path);
}

/**
 * Makes a log for reading and appending, in place of whatever is there.
 *
 * @throws what node:fs throws
 */
export function openNewLog(path: string): number {
  rmSync(path, { recursive: true, force: true });
  return openSync(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | SAFE, LOG_MODE);
}

function regular(descriptor: number): number | undefined {
  const stat = fstatSync(descriptor);
  if (stat.isFile() && stat.nlink === 1) return descriptor;
  closeSync(descriptor);
  return undefined;
}
