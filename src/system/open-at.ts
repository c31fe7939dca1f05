import { ptr } from "bun:ffi";
import { constants } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

/*
 * Names relative to an open directory. A path is looked up anew at each use, and any directory in it may have become a
 * symlink since; a descriptor stays what it was when it was opened.
 */

const O_CLOEXEC = process.platform === "darwin" ? 0x0100_0000 : 0o2_000_000;
/** A symlink is refused, and neither a fifo nor a device can make the caller wait. */
const SAFE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_CLOEXEC;
const MAX_TARGET_BYTES = 4096;

let libc: ReturnType<typeof bind> | undefined;

function bind() {
  return openLibc({
    openat: { args: ["i32", "ptr", "i32"], returns: "i32" },
    readlinkat: { args: ["i32", "ptr", "ptr", "usize"], returns: "i64" },
  });
}

/**
 * Opens one name in a directory for reading (openat(2)) without following a symlink.
 *
 * @param directory an open descriptor
 * @param name one component, without "/" and "\0"
 * @throws what node:fs throws: an error with `code` (ELOOP for a symlink, ENOTDIR with kind "directory")
 */
export function openAt(directory: number, name: string, kind: "file" | "directory"): number {
  libc ??= bind();
  const flags = kind === "directory" ? SAFE | constants.O_DIRECTORY : SAFE;
  const descriptor = libc.openat(directory, ptr(cString(name)), flags);
  if (descriptor < 0) throw errnoError(errno(), "open", name);
  return descriptor;
}

/** What a symlink in an open directory says, as bytes (readlinkat(2)). Throws EINVAL for what is no symlink. */
export function readLinkAt(directory: number, name: string): Buffer {
  libc ??= bind();
  const target = Buffer.allocUnsafe(MAX_TARGET_BYTES);
  const length = Number(libc.readlinkat(directory, ptr(cString(name)), ptr(target), target.length));
  if (length < 0) throw errnoError(errno(), "readlink", name);
  return target.subarray(0, length);
}

function cString(name: string): Buffer {
  if (name.includes("\0")) throw new Error(`a name cannot hold a NUL byte: ${JSON.stringify(name)}`);
  return Buffer.from(`${name}\0`);
}
