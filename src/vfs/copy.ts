import { passHole } from "../system/holes.ts";
import { cloneFile, copyRange } from "../system/reflink.ts";
import { isAtOrBelow } from "./mount-table.ts";
import { type Entry, type OpenFile, type PendingFile, type WriteOptions } from "./mount.ts";
import { explain, intoItself, refusal, requireInside, vfsError } from "./vfs-error.ts";
import { splitPath, type VfsPath } from "./vfs-path.ts";
import { type VfsView } from "./vfs-view.ts";
import { walk } from "./walk.ts";

/** So much is read or written at once, in bytes: big files need no more memory than small ones. */
export const CHUNK_BYTES = 256 * 1024;

export type CopyOptions = Pick<WriteOptions, "isNew" | "isDurable" | "hasParents"> & {
  /** Directories with all that is in them; without it they are refused. */
  isRecursive?: boolean;
  /** Links are copied themselves, as a move would take them. Without it a single link is followed. */
  isMove?: boolean;
};

export type Copied = { bytes: number; files: number };

/** Where from and where to; the same twice for a copy within one namespace. */
type Ends = { origin: VfsView; vfs: VfsView };

/**
 * Copies a file, a link or a tree from one path to another, in one mount, between two, or from another namespace. It stops
 * after each piece, so that others get their turn; left before its end, it removes what it has made.
 */
export function* copySteps(
  ends: Ends,
  from: VfsPath,
  to: VfsPath,
  options: CopyOptions,
): Generator<void, Copied> {
  const { origin, vfs } = ends;
  const source = origin.locateAt(from);
  const isLinkKept = options.isMove === true || options.isRecursive === true;
  const entry = source.mount.stat(source.path, !isLinkKept);
  const copied = { bytes: 0, files: 0 };
  if (entry.type !== "directory") {
    yield* copyEntry(ends, from, to, entry, options, copied);
    return copied;
  }
  if (!options.isRecursive && !options.isMove)
    throw vfsError(
      "is-a-directory",
      from,
      "copy",
      "it is a directory",
      "-r copies it with all that is in it",
    );
  if (origin === vfs && isAtOrBelow(to.relative, from.relative))
    throw intoItself(to, options.isMove ? "move to" : "copy to");
  // Looked at before anything is made: by way of a link, the copy may go into what is copied.
  const entries = Array.from(walk(origin, from));
  const isMade = prepareDirectory(vfs, to, options);
  let isDone = false;
  try {
    for (const { relative, path, entry: inner } of entries) {
      const target = joined(to, relative);
      if (inner.type === "directory")
        prepareDirectory(vfs, target, { isDurable: options.isDurable === true });
      else yield* copyEntry(ends, path, target, inner, { ...options, hasParents: false }, copied);
      yield;
    }
    isDone = true;
  } finally {
    // A tree arrives whole too, unless it was put into one that was there.
    if (!isDone && isMade) removeQuietly(vfs, to);
  }
  return copied;
}

/** Takes all steps at once. */
export function finish<Result>(steps: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/**
 * What rename(2) would say of a move from one to the other, had they been on one file system.
 *
 * @param source what has the name itself, also where it is a link that is written with a slash
 */
export function requireReplaceable(
  source: Entry,
  from: VfsPath,
  to: VfsPath,
  isNew: boolean,
  look: () => (Entry & { isEmpty: () => boolean }) | undefined,
): void {
  if ((from.isDirectory || to.isDirectory) && source.type !== "directory")
    throw vfsError("not-a-directory", from, "move", "it is not a directory");
  if (source.type === "other") throw refusal("ENXIO", from, "move");
  const old = look();
  if (!old) return;
  if (isNew) throw refusal("EEXIST", to, "move to");
  if (source.type !== "directory" && old.type === "directory") throw refusal("EISDIR", to, "move to");
  if (source.type === "directory" && old.type !== "directory") throw refusal("ENOTDIR", to, "move to");
  if (old.type === "directory" && !old.isEmpty()) throw refusal("ENOTEMPTY", to, "move to");
}

/** Creates the directory where it is not there yet, and says whether it did. */
function prepareDirectory(vfs: VfsView, path: VfsPath, options: CopyOptions): boolean {
  const { mount, path: inner } = vfs.locateWritable(path, "create");
  const isDurable = options.isDurable === true;
  if (options.hasParents && inner.relative !== ".") {
    const { above } = splitPath(inner.relative);
    const parent = { ...inner, relative: above, isDirectory: true };
    mount.makeDirectory(parent, { hasParents: true, isDurable });
  }
  try {
    mount.makeDirectory(inner, { hasParents: false, isDurable });
    return true;
  } catch (thrown) {
    const { code } = thrown as { code?: string };
    if (code !== "exists" || options.isNew) throw thrown;
    if (mount.stat(inner, true).type !== "directory") throw refusal("ENOTDIR", path, "create");
    return false;
  }
}

function* copyEntry(
  { origin, vfs }: Ends,
  from: VfsPath,
  to: VfsPath,
  { type }: Entry,
  options: CopyOptions,
  copied: Copied,
): Generator<void, void> {
  if (type === "other") throw refusal("ENXIO", from, "copy");
  const target = vfs.locateWritable(to, "write");
  if (type === "symlink") {
    const text = origin.readLinkAt(from);
    requireInside(text, target.path);
    if (!options.isNew) removeLink(vfs, to);
    target.mount.symlink(text, target.path, options.isDurable === true);
  } else copied.bytes += yield* copyFile({ origin, vfs }, from, to, options);
  copied.files++;
}

function* copyFile(
  { origin, vfs }: Ends,
  from: VfsPath,
  to: VfsPath,
  options: CopyOptions,
): Generator<void, number> {
  const source = origin.locateAt(from);
  const target = vfs.locateWritable(to, "write");
  using file = source.mount.openFile(source.path);
  using pending = target.mount.createFile(target.path, {
    ...options,
    mode: file.mode,
    isReplacing: options.isMove === true,
  });
  const bytes = (yield* copyInKernel(file, pending, to)) ?? (yield* copyByHand(file, pending));
  pending.commit();
  return bytes;
}

/** Undefined where the kernel cannot. */
function* copyInKernel(
  file: OpenFile,
  pending: PendingFile,
  path: VfsPath,
): Generator<void, number | undefined> {
  if (file.descriptor === undefined || pending.descriptor === undefined) return undefined;
  pending.requireRoom?.(file.sizeBytes);
  if (file.sizeBytes > 0 && cloneFile(file.descriptor, pending.descriptor)) return file.sizeBytes;
  for (let copied = 0; ; yield) {
    let length: number | undefined;
    try {
      const { holeBytes, dataBytes } = passHole(file.descriptor, pending.descriptor);
      copied += holeBytes;
      length = copyRange(file.descriptor, pending.descriptor, dataBytes);
    } catch (thrown) {
      throw explain(thrown, path, "write");
    }
    // Files of /proc seem empty to this call and are not: the copy by hand finds that out.
    if (!length && copied === 0) return undefined;
    if (length === 0) return copied;
    if (length === undefined) return copied + (yield* copyByHand(file, pending));
    copied += length;
    // Somebody may be adding to what is copied.
    if (copied > file.sizeBytes) pending.requireRoom?.(copied);
  }
}

function* copyByHand(file: OpenFile, pending: PendingFile): Generator<void, number> {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, file.sizeBytes + 1));
  for (let copied = 0; ; yield) {
    if (file.descriptor !== undefined && pending.descriptor !== undefined)
      copied += passHole(file.descriptor, pending.descriptor).holeBytes;
    const length = file.read(buffer);
    if (length === 0) return copied;
    pending.write(buffer.subarray(0, length));
    copied += length;
  }
}

function joined(directory: VfsPath, relative: string): VfsPath {
  const isTop = directory.relative === ".";
  return {
    shown: `${isTop ? "" : directory.shown}/${relative}`,
    relative: isTop ? relative : `${directory.relative}/${relative}`,
    isDirectory: false,
  };
}

/** A link takes the place of a file or link, as a copied file does. */
function removeLink(vfs: VfsView, path: VfsPath): void {
  const { mount, path: inner } = vfs.locateWritable(path, "write");
  try {
    if (mount.stat(inner, false).type !== "directory")
      mount.remove(inner, { isRecursive: false, isDurable: false });
  } catch (thrown) {
    if ((thrown as { code?: string }).code !== "not-found") throw thrown;
  }
}

function removeQuietly(vfs: VfsView, path: VfsPath): void {
  const { mount, path: inner } = vfs.locateAt(path);
  try {
    mount.remove(inner, { isRecursive: true, isDurable: false });
  } catch {
    // The failure that led here is the one to tell.
  }
}
