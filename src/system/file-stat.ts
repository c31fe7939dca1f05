import { closeSync, fstatSync, lstatSync, readSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

/** What is at a name or behind a descriptor. `node:fs` says more, and that costs more than the call itself. */
export type FileStat = {
  type: "file" | "directory" | "symlink" | "other";
  /** Permission bits. */
  mode: number;
  uid: number;
  gid: number;
  links: number;
  sizeBytes: number;
  modifiedMs: number;
  /** Device and inode: see `isSameFile`. An inode number may need all of its 64 bits. */
  device: number;
  inodeLow: number;
  inodeHigh: number;
};

export function isSameFile(a: FileStat, b: FileStat): boolean {
  return a.device === b.device && a.inodeLow === b.inodeLow && a.inodeHigh === b.inodeHigh;
}

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
/** statx(2): everything that fstat(2) says. */
const STATX_BASIC_STATS = 0x7ff;
const ENOENT = 2;
const syscallNumbers: Partial<Record<NodeJS.Architecture, number>> = { x64: 332, arm64: 291 };

/** struct statx, which is the same on every architecture, in units of four bytes. */
const words = new Uint32Array(64);
const at = { links: 4, uid: 5, gid: 6, mode: 7, inode: 8, size: 10, modified: 28, device: 34 };

type Fast = {
  number: number;
  syscall: (
    number: number,
    directory: number,
    path: string | Uint8Array,
    flags: number,
    mask: number,
    buffer: Uint32Array,
  ) => number;
  read: (descriptor: number, buffer: Uint8Array, length: number) => number;
  close: (descriptor: number) => number;
};
let fast: Fast | undefined;
let isTried = false;

/**
 * Looks at an open file.
 *
 * @throws what node:fs throws
 */
export function statDescriptor(descriptor: number): FileStat {
  if (!isTried) prepare(descriptor);
  if (!fast) return fromStats(fstatSync(descriptor, { bigint: true }));
  if (fast.syscall(fast.number, descriptor, "", AT_EMPTY_PATH, STATX_BASIC_STATS, words) !== 0)
    throw errnoError(errno(), "fstat");
  return fromWords();
}

/**
 * Looks at a name in an open directory, without following a symlink.
 *
 * @param name one component; as bytes, it ends with a NUL byte
 * @returns undefined where there is nothing
 * @throws what node:fs throws
 */
export function statAt(directory: number, name: string | Uint8Array): FileStat | undefined {
  if (!isTried) prepare(directory);
  if (!fast) return statSlowly(directory, name);
  if (fast.syscall(fast.number, directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, words) === 0)
    return fromWords();
  const number = errno();
  if (number === ENOENT) return undefined;
  throw errnoError(number, "lstat");
}

/** One read of at most so many bytes has room for its length in 31 bits. */
const MAX_FAST_BYTES = 1024 ** 3;

/**
 * Fills a buffer from the descriptor's position on, as far as one read(2) does; 0 at the end.
 *
 * @param buffer not empty
 * @throws what node:fs throws
 */
export function readDescriptor(descriptor: number, buffer: Uint8Array): number {
  if (fast && buffer.length <= MAX_FAST_BYTES) {
    const length = fast.read(descriptor, buffer, buffer.length);
    if (length >= 0) return length;
    // Interrupted or failed: the other call tries again, or says it in its words.
  }
  return readSync(descriptor, buffer);
}

/** Closes a descriptor that was only read from: there is nothing that could fail. */
export function closeDescriptor(descriptor: number): void {
  if (fast) fast.close(descriptor);
  else closeSync(descriptor);
}

const types: Record<number, FileStat["type"]> = { 0o10: "file", 0o4: "directory", 0o12: "symlink" };

function fromWords(): FileStat {
  const word = words as unknown as { [index: number]: number };
  const mode = (word[at.mode] as number) & 0xffff;
  return {
    type: types[mode >> 12] ?? "other",
    mode: mode & 0o777,
    uid: word[at.uid] as number,
    gid: word[at.gid] as number,
    links: word[at.links] as number,
    sizeBytes: (word[at.size] as number) + (word[at.size + 1] as number) * 2 ** 32,
    modifiedMs:
      ((word[at.modified] as number) + ((word[at.modified + 1] as number) | 0) * 2 ** 32) * 1000 +
      Math.floor((word[at.modified + 2] as number) / 1e6),
    device: (word[at.device] as number) * 2 ** 20 + (word[at.device + 1] as number),
    inodeLow: word[at.inode] as number,
    inodeHigh: word[at.inode + 1] as number,
  };
}

function fromStats(stat: ReturnType<typeof bigStat>): FileStat {
  const mode = Number(stat.mode);
  return {
    type: types[mode >> 12] ?? "other",
    mode: mode & 0o777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    links: Number(stat.nlink),
    sizeBytes: Number(stat.size),
    modifiedMs: Number(stat.mtimeMs),
    device: Number(stat.dev),
    inodeLow: Number(stat.ino & 0xffff_ffffn),
    inodeHigh: Number((stat.ino >> 32n) & 0xffff_ffffn),
  };
}

function bigStat(descriptor: number) {
  return fstatSync(descriptor, { bigint: true });
}

/** The same by node:fs. Exported for its test. */
export function statSlowly(directory: number, name: string | Uint8Array): FileStat | undefined {
  const start = `/proc/self/fd/${directory}/`;
  const path =
    typeof name === "string" ? start + name : Buffer.concat([Buffer.from(start), name.subarray(0, -1)]);
  const stat = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return stat && fromStats(stat);
}

/** Only where it says the same as `node:fs`: an old kernel or a sandbox may know nothing of the call. */
function prepare(descriptor: number): void {
  isTried = true;
  const number = process.platform === "linux" ? syscallNumbers[process.arch] : undefined;
  if (number === undefined) return;
  try {
    const { syscall, read, close } = openLibc({
      syscall: { args: ["i64", "i32", "cstring", "i32", "u32", "ptr"], returns: "i32" },
      read: { args: ["i32", "ptr", "u32"], returns: "i32" },
      close: { args: ["i32"], returns: "i32" },
    });
    if (syscall(number, descriptor, "", AT_EMPTY_PATH, STATX_BASIC_STATS, words) !== 0) return;
    const [mine, theirs] = [fromWords(), fromStats(bigStat(descriptor))];
    if (mine.type === theirs.type && mine.mode === theirs.mode && mine.inodeLow === theirs.inodeLow)
      fast = { number, syscall, read, close };
  } catch {
    // There is no C library to call.
  }
}
