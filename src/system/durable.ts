import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { dirname } from "node:path";

import {
  announceChange,
  createSync,
  fsyncSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "./changes.ts";
import { errno, errnoError, openLibc } from "./libc.ts";
import { randomHex } from "./random-id.ts";

/*
 * Durable changes to the file system: what a function here has returned from survives a power cut, as far as the disk
 * keeps what it acknowledged. All state changes of the home go through this file, synchronously and in program order, so
 * that a crash test can stop at each of them. An fsync error is final: pages may be marked clean after it (Rebello et al.,
 * "Can Applications Recover from fsync Failures?", ATC 2020), so nothing here tries again.
 */

/** Writes all bytes at the descriptor's position; a short write goes on where it stopped. */
export function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done, bytes.length - done);
}

/** Flushes a directory, so that the names in it are durable. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Creates a file that must not exist, and flushes its content. Its name is durable only after `syncDirectory`. */
export function createFile(path: string, content: string | Uint8Array, mode: number): void {
  createWith(path, content, mode, fsyncSync);
}

/** Creates a file that must not exist. Neither its content nor its name is durable: `syncFile` and `syncDirectory` see to that. */
export function createUnflushed(path: string, content: string | Uint8Array, mode: number): void {
  createWith(path, content, mode, () => {});
}

function createWith(
  path: string,
  content: string | Uint8Array,
  mode: number,
  flush: (descriptor: number) => void,
): void {
  const descriptor = createSync(path, mode);
  try {
    writeFully(descriptor, typeof content === "string" ? Buffer.from(content) : content);
    flush(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Flushes the content of a file. */
export function syncFile(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Replaces a file, or creates it: readers see the old content or the new, also after a power cut. */
export function replaceFile(path: string, content: string | Uint8Array, mode: number): void {
  replaceFiles(dirname(path), new Map([[path.slice(path.lastIndexOf("/") + 1), content]]), mode);
}

/**
 * Does the same for several files of one directory, with one flush of it. Each is the old or the new one by itself.
 *
 * @param contents by name in the directory
 */
export function replaceFiles(
  directory: string,
  contents: ReadonlyMap<string, string | Uint8Array>,
  mode: number,
): void {
  const written = [...contents].map(([name, content]) => {
    const path = `${directory}/${name}`;
    return { path, temporary: temporaryName(path), content };
  });
  try {
    for (const { temporary, content } of written) createUnflushed(temporary, content, mode);
    for (const { temporary } of written) syncFile(temporary);
    for (const { temporary, path } of written) renameSync(temporary, path);
  } catch (thrown) {
    for (const { temporary } of written) rmSync(temporary, { force: true });
    throw thrown;
  }
  syncDirectory(directory);
}

/** Points the symlink `path` at `target` by one rename(2), so that it exists at every moment and is durable after. */
export function replaceLink(path: string, target: string): void {
  const temporary = temporaryName(path);
  symlinkSync(target, temporary);
  try {
    renameSync(temporary, path);
  } catch (thrown) {
    unlinkSync(temporary);
    throw thrown;
  }
  syncDirectory(dirname(path));
}

/** Removes a name, if it exists, durably: also where it is gone already, since a crash may have come before the sync. */
export function removeName(path: string): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    if (!isDirectory(dirname(path))) return;
  }
  syncDirectory(dirname(path));
}

/** Renames within one file system and flushes both directories. */
export function renameDurably(from: string, to: string): void {
  renameSync(from, to);
  syncDirectory(dirname(to));
  if (dirname(from) !== dirname(to)) syncDirectory(dirname(from));
}

/** `mkdir -p`, durable: each new directory's name is flushed in its parent. */
export function makeDirectory(path: string, mode: number): void {
  if (isDirectory(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent, mode);
  if (tryMakeDirectory(path, mode)) syncDirectory(parent);
}

/** Makes those that are not there yet, of several directories in one, with one flush for all. */
export function makeDirectories(parent: string, paths: readonly string[], mode: number): void {
  const made = paths.filter((path) => !isDirectory(path) && tryMakeDirectory(path, mode));
  if (made.length > 0) syncDirectory(parent);
}

/** Returns false where somebody else has just made it, who flushes it too. */
function tryMakeDirectory(path: string, mode: number): boolean {
  try {
    mkdirSync(path, mode);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EEXIST" && isDirectory(path)) return false;
    throw thrown;
  }
}

/** What a symlink says, or undefined where there is none. */
export function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EINVAL" || code === "ENOTDIR") return undefined;
    throw thrown;
  }
}

/**
 * Flushes everything dirty on the file system of `directory` (syncfs(2)): for trees of many files this is several times
 * cheaper than one fsync each, though it waits for everybody's data.
 */
export function syncFileSystem(directory: string): void {
  const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    announceChange("syncfs");
    const libc = openLibc({ syncfs: { args: ["i32"], returns: "i32" } });
    if (libc.syncfs(descriptor) !== 0) throw errnoError(errno(), "syncfs", directory);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Lets the kernel begin to write what is dirty of a file, and does not wait (sync_file_range(2)): a later flush has less to do.
 * By itself it promises nothing. Does nothing where there is no such call.
 */
export function startWriteback(descriptor: number): void {
  if (process.platform !== "linux") return;
  writeback ??= openLibc({ sync_file_range: { args: ["i32", "i64", "i64", "u32"], returns: "i32" } });
  writeback.sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
}

const SYNC_FILE_RANGE_WRITE = 2;
let writeback:
  { sync_file_range: (fd: number, offset: number, bytes: number, flags: number) => number } | undefined;

/** Names that begin so are leftovers of a crash: recovery removes them. */
export const TEMPORARY_PREFIX = ".aurora-tmp.";

/**
 * Removes what a crash left between a temporary name and its rename.
 *
 * @param isAbandoned looks at the time of the last change, for a directory in which others may be at work; else all are
 */
export function sweepTemporaryNames(directory: string, isAbandoned?: (changedMs: number) => boolean): void {
  if (!isDirectory(directory)) return;
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(TEMPORARY_PREFIX)) continue;
    const path = `${directory}/${name}`;
    const stat = isAbandoned && lstatSync(path, { throwIfNoEntry: false });
    if (!isAbandoned || (stat && isAbandoned(stat.mtimeMs))) rmSync(path, { force: true });
  }
}

/** Random, since a process number comes back: in a container it is the same after each crash. */
function temporaryName(path: string): string {
  const slash = path.lastIndexOf("/") + 1;
  return `${path.slice(0, slash)}${TEMPORARY_PREFIX}${randomHex(6)}.${path.slice(slash)}`;
}

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
