import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
  writeFileSync,
} from "node:fs";

import { chmodSync, copyFileSync, linkSync, mkdirSync, symlinkSync, writeSync } from "./changes.ts";
import { nextPart } from "./holes.ts";
import { errno, errnoError, openLibc } from "./libc.ts";
import { namesIfStill } from "./names-in.ts";
import { createScratch } from "./scratch.ts";

const CHUNK_BYTES = 1024 ** 2;

/**
 * Copies a directory tree as it is: owners (as far as this user may), modes, times, symlinks, hard links within it, and holes. The content of files is
 * shared with the original until one of them is written to, where the file system can (FICLONE), and then costs nothing.
 * Sockets are left out, since a copy of one leads nowhere, and so are devices, extended attributes and ACLs. Not durable.
 *
 * Its owner may be at work in it, and set traps: each thing is opened without following a link or waiting, and what is copied
 * is what was opened. For root, a file with a second name that belongs to somebody else than the tree is left out: its owner
 * has not put it there.
 *
 * @param to does not exist yet
 */
export function cloneTree(from: string, to: string): void {
  const descriptor = openSync(from, UNTRUSTED | O_DIRECTORY);
  try {
    const { uid: owner } = fstatSync(descriptor);
    cloneDirectory(descriptor, from, to, { linked: new Map(), owner });
  } finally {
    closeSync(descriptor);
  }
}

/** The bytes that a copy of a directory tree takes where nothing is shared; 0 where there is none. */
export function treeBytes(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.isFile() ? Math.min(stat.size, stat.blocks * 512) : 0;
  return namesIfStill(path).reduce((sum, name) => sum + treeBytes(`${path}/${name}`), 0);
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

/** What holds for all of one copy. */
type Copying = {
  /** The copies of files with several names, by what they are copies of. */
  linked: Map<string, string>;
  /** Whom the tree belongs to. */
  owner: number;
};

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const UNTRUSTED = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

/** What an open file or directory is called; whoever may write above it cannot lead this name elsewhere. */
function nameOf(descriptor: number, path: string): string {
  return process.platform === "linux" ? `/proc/self/fd/${descriptor}` : path;
}

function cloneEntry(from: string, to: string, copying: Copying): void {
  const stat = lstatSync(from, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (stat.isSymbolicLink()) {
    const target = readLinkIfOne(from);
    if (target === undefined) return;
    symlinkSync(target, to);
    keepAttributes(to, stat);
  } else if (stat.isFIFO()) {
    makeFifo(to);
    keepAttributes(to, stat);
  } else if (stat.isDirectory() || stat.isFile()) {
    const descriptor = openIfStill(from, stat.isDirectory() ? UNTRUSTED | O_DIRECTORY : UNTRUSTED);
    if (descriptor === undefined) return;
    try {
      if (stat.isDirectory()) cloneDirectory(descriptor, from, to, copying);
      else cloneOpenFile(descriptor, from, to, copying);
    } finally {
      closeSync(descriptor);
    }
  }
}

function cloneDirectory(descriptor: number, from: string, to: string, copying: Copying): void {
  const inside = nameOf(descriptor, from);
  mkdirSync(to, 0o700);
  for (const name of namesIfStill(inside)) cloneEntry(`${inside}/${name}`, `${to}/${name}`, copying);
  keepAttributes(to, fstatSync(descriptor));
}

function cloneOpenFile(descriptor: number, from: string, to: string, { linked, owner }: Copying): void {
  const stat = fstatSync(descriptor);
  if (!stat.isFile()) return;
  if (stat.nlink > 1) {
    const inode = `${stat.dev}:${stat.ino}`;
    const first = linked.get(inode);
    if (first !== undefined) return linkSync(first, to);
    // The copy has one name, and would pass for the owner's.
    if (stat.uid !== owner && process.geteuid?.() === 0) return;
    linked.set(inode, to);
  }
  cloneFile(nameOf(descriptor, from), to, stat);
  keepAttributes(to, stat);
}

/** Undefined where it has gone, or become something else, since it was looked at. */
function openIfStill(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== undefined && ["ENOENT", "ELOOP", "ENOTDIR", "ENXIO"].includes(code)) return undefined;
    throw thrown;
  }
}

function readLinkIfOne(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EINVAL") return undefined;
    throw thrown;
  }
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
    for (let at = nextPart(source, 0, "data"); at !== undefined; at = nextPart(source, at, "data")) {
      const end = nextPart(source, at, "hole") ?? size;
      at = copyPart(source, copy, at, end);
    }
    ftruncateSync(copy, size);
  } finally {
    closeSync(copy);
    closeSync(source);
  }
}

let libc: ReturnType<typeof bind> | undefined;

function bind() {
  return openLibc({
    mkfifo: { args: ["cstring", "u32"], returns: "i32" },
  });
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
