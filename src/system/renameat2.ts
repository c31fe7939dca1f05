import { linkSync, lstatSync, mkdirSync, renameSync, rmdirSync, unlinkSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

const AT_FDCWD = -100;
const RENAME_NOREPLACE = 1;
const ENOSYS = 38;
const EINVAL = 22;

type Path = string | Uint8Array;

let libc: { renameat2: (a: number, from: Path, b: number, to: Path, flags: number) => number } | undefined;
let plain: { renameat: (a: number, from: Path, b: number, to: Path) => number } | undefined;

/**
 * Renames within one open directory (renameat(2)), replacing what is there as rename(2) does.
 *
 * @param from one component; as bytes, it ends with a NUL byte
 * @throws what node:fs throws
 */
export function renameIn(directory: number, from: Path, to: Path): void {
  plain ??= openLibc({ renameat: { args: ["i32", "cstring", "i32", "cstring"], returns: "i32" } });
  if (plain.renameat(directory, from, directory, to) !== 0) throw errnoError(errno(), "rename");
}

/**
 * Renames, but never onto something: one renameat2(2), so nobody can come between a look and the rename. Where the kernel,
 * a sandbox or the file system has no such call, link(2) does it for files and mkdir(2) for directories.
 *
 * @param from as text, or as bytes that end with a NUL byte
 * @throws an error with `code`, EEXIST where `to` is taken
 */
export function renameNew(from: Path, to: Path): void {
  if (process.platform === "linux") {
    libc ??= openLibc({ renameat2: { args: ["i32", "cstring", "i32", "cstring", "u32"], returns: "i32" } });
    if (libc.renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) === 0) return;
    const number = errno();
    if (number !== ENOSYS && number !== EINVAL) throw errnoError(number, "rename");
  }
  renameNewByLink(bytesOf(from), bytesOf(to));
}

/** The same by two calls each; for a moment both names exist, but nothing is ever replaced. */
export function renameNewByLink(from: string | Buffer, to: string | Buffer): void {
  if (!lstatSync(from).isDirectory()) {
    linkSync(from, to);
    unlinkSync(from);
    return;
  }
  mkdirSync(to, 0o700);
  try {
    // rename(2) takes the place of an empty directory, and of no other.
    renameSync(from, to);
  } catch (thrown) {
    rmdirSync(to);
    throw thrown;
  }
}

/** node:fs adds the NUL byte itself. */
function bytesOf(path: Path): string | Buffer {
  return typeof path === "string" ? path : Buffer.from(path.subarray(0, -1));
}
