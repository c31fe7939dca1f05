import { constants, openSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
/** open(2): with O_DIRECTORY, whose value differs from machine to machine. */
const O_TMPFILE = 0o20_000_000 | constants.O_DIRECTORY;

type Linkat = (a: number, from: string, b: number, to: string | Uint8Array, flags: number) => number;
let libc: { linkat: Linkat } | undefined;

/**
 * Creates a file without a name in an open directory: a crash leaves nothing of it.
 *
 * @returns its descriptor, undefined where the file system or the kernel has no such files
 */
export function openUnnamed(directory: number, mode: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return openSync(`/proc/self/fd/${directory}/.`, O_TMPFILE | constants.O_WRONLY, mode);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "EOPNOTSUPP" || code === "ENOTSUP" || code === "EISDIR" || code === "EINVAL")
      return undefined;
    throw thrown;
  }
}

/**
 * Gives a file that has no name yet its name (linkat(2)). Nothing is replaced.
 *
 * @param path as text, or as bytes that end with a NUL byte
 * @throws an error with `code`, EEXIST where the name is taken
 */
export function linkDescriptor(descriptor: number, path: string | Uint8Array): void {
  libc ??= openLibc({ linkat: { args: ["i32", "cstring", "i32", "cstring", "i32"], returns: "i32" } });
  if (libc.linkat(AT_FDCWD, `/proc/self/fd/${descriptor}`, AT_FDCWD, path, AT_SYMLINK_FOLLOW) !== 0)
    throw errnoError(errno(), "link");
}
