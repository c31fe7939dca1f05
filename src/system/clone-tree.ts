import {
  closeSync,
  constants,
  ftruncateSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  writeFileSync,
} from "node:fs";

import { chmodSync, copyFileSync, linkSync, mkdirSync, symlinkSync, writeSync } from "./changes.ts";
import { errno, errnoError, openLibc } from "./libc.ts";
import { createScratch } from "./scratch.ts";

const CHUNK_BYTES = 1024 ** 2;

/**
 * Copies a directory tree as it is: owners (as far as this user may), modes, times, symlinks, hard links within it, and holes. The content of files is
 * shared with the original until one of them is written to, where the file system can (FICLONE), and then costs nothing.
 * Sockets are left out, since a copy of one leads nowhere, and so are devices, extended attributes and ACLs. Not durable.
 *
 * @param to does not exist yet
 */
export function cloneTree(from: string, to: string): void {
  cloneEntry(from, to, new Map());
}

/** The bytes that a copy of a directory tree takes where nothing is shared; 0 where there is none. */
export function treeBytes(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.isFile() ? Math.min(stat.size, stat.blocks * 512) : 0;
  return readdirSync(path).reduce((sum, name) => sum + treeBytes(`${path}/${name}`), 0);
}

/** Whether copies on the file system of a scratch directory share their content with the original (FICLONE). */
export function sharesCopies(tmp: string): boolean {
  using scratch = createScratch(tmp, "clone");
  const original = `${scratch.path}/original`;
  // Short content may lie in the inode, and is never shared.
  writeFileSync(original, Buffer.alloc(CHUNK_BYTES / 16));
  try {
    copyFileSync(original, `${scratch.path}/copy`, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (thrown) {
    if (!isUnshared(thrown)) throw thrown;
    return false;
  }
}

function isUnshared(thrown: unknown): boolean {
  const { code } = thrown as NodeJS.ErrnoException;
  return code !== undefined && ["ENOTSUP", "EOPNOTSUPP", "EXDEV", "EINVAL", "ENOTTY"].includes(code);
}

function cloneEntry(from: string, to: string, linked: Map<string, string>): void {
  const stat = lstatSync(from);
  if (stat.isDirectory()) {
    mkdirSync(to, 0o700);
    for (const name of readdirSync(from)) cloneEntry(`${from}/${name}`, `${to}/${name}`, linked);
  } else if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else if (stat.isFIFO()) makeFifo(to);
  else if (!stat.isFile()) return;
  else if (stat.nlink > 1) {
    const inode = `${stat.dev}:${stat.ino}`;
    const first = linked.get(inode);
    if (first !== undefined) return linkSync(first, to);
    linked.set(inode, to);
    cloneFile(from, to, stat);
  } else cloneFile(from, to, stat);
  keepAttributes(to, stat);
}

function cloneFile(from: string, to: string, { size, blocks }: Stats): void {
  if (blocks * 512 >= size)
    return copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
  } catch (thrown) {
    if (!isUnshared(thrown)) throw thrown;
    copyAroundHoles(from, to, size);
  }
}

/** A file with holes may be far larger than the disk: only what holds data is read. */
function copyAroundHoles(from: string, to: string, size: number): void {
  const source = openSync(from, "r");
  const copy = openSync(to, "w", 0o600);
  try {
    for (let at = nextPart(source, 0, SEEK_DATA); at !== undefined; at = nextPart(source, at, SEEK_DATA)) {
      const end = nextPart(source, at, SEEK_HOLE) ?? size;
      at = copyPart(source, copy, at, end);
    }
    ftruncateSync(copy, size);
  } finally {
    closeSync(copy);
    closeSync(source);
  }
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
let libc: ReturnType<typeof bind> | undefined;

function bind() {
  return openLibc({
    lseek: { args: ["i32", "i64", "i32"], returns: "i64" },
    mkfifo: { args: ["cstring", "u32"], returns: "i32" },
  });
}

/** Where the next data or the next hole begins; undefined behind the last. */
function nextPart(descriptor: number, at: number, kind: number): number | undefined {
  libc ??= bind();
  const found = Number(libc.lseek(descriptor, at, kind));
  return found < 0 ? undefined : found;
}

/** Returns `end`, also where the file was cut meanwhile. */
function copyPart(source: number, copy: number, from: number, end: number): number {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let at = from;
  while (at < end) {
    const length = readSync(source, chunk, 0, Math.min(CHUNK_BYTES, end - at), at);
    if (length === 0) return end;
    for (let done = 0; done < length;) done += writeSync(copy, chunk, done, length - done, at + done);
    at += length;
  }
  return at;
}

function keepAttributes(path: string, stat: Stats): void {
  const made = lstatSync(path);
  if (made.uid !== stat.uid || made.gid !== stat.gid) keepOwner(path, stat);
  if (!stat.isSymbolicLink()) chmodSync(path, stat.mode & 0o7777);
  lutimesSync(path, stat.atimeMs / 1000, stat.mtimeMs / 1000);
}

/** What belongs to others an ordinary user can copy, but not give back to them. */
function keepOwner(path: string, { uid, gid }: Stats): void {
  try {
    lchownSync(path, uid, gid);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EPERM" || process.getuid?.() === 0) throw thrown;
  }
}

function makeFifo(path: string): void {
  libc ??= bind();
  if (libc.mkfifo(Buffer.from(`${path}\0`), 0o600) !== 0) throw errnoError(errno(), "mkfifo", path);
}
