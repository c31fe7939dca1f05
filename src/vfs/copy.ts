import { cloneFile, copyRange } from "../system/reflink.ts";
import { isAtOrBelow } from "./mount-table.ts";
import { type Entry, type OpenFile, type PendingFile, type WriteOptions } from "./mount.ts";
import { explain, intoItself, refusal, requireInside, vfsError } from "./vfs-error.ts";
import { type VfsPath } from "./vfs-path.ts";
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

type Copied = { bytes: number; files: number };

/** Where from and where to; the same twice for a copy within one namespace. */
type Ends = { origin: VfsView; vfs: VfsView };

/** Copies a file, a link or a tree from one path to another, in one mount, between two, or from another namespace. */
export function copyAny(ends: Ends, from: VfsPath, to: VfsPath, options: CopyOptions): Copied {
  const { origin, vfs } = ends;
  const source = origin.locateAt(from);
  const isLinkKept = options.isMove === true || options.isRecursive === true;
  const entry = source.mount.stat(source.path, !isLinkKept);
  const copied = { bytes: 0, files: 0 };
  if (entry.type !== "directory") {
    copyEntry(ends, from, to, entry, options, copied);
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
  if (origin === vfs && isAtOrBelow(to.relative, from.relative)) throw intoItself(to);
  // Looked at before anything is made: by way of a link, the copy may go into what is copied.
  const entries = Array.from(walk(origin, from));
  const isMade = prepareDirectory(vfs, to, options);
  try {
    for (const { relative, path, entry: inner } of entries) {
      const target = joined(to, relative);
      if (inner.type === "directory") prepareDirectory(vfs, target, { ...options, isNew: false });
      else copyEntry(ends, path, target, inner, { ...options, hasParents: false }, copied);
    }
  } catch (thrown) {
    // A tree arrives whole too, unless it was put into one that was there.
    if (isMade) removeQuietly(vfs, to);
    throw thrown;
  }
  return copied;
}

/** Creates the directory where it is not there yet, and says whether it did. */
function prepareDirectory(vfs: VfsView, path: VfsPath, options: CopyOptions): boolean {
  const { mount, path: inner } = vfs.locateWritable(path, "create");
  try {
    mount.makeDirectory(inner, { hasParents: false, isDurable: options.isDurable === true });
    return true;
  } catch (thrown) {
    const { code } = thrown as { code?: string };
    if (code === "not-found" && options.hasParents) {
      mount.makeDirectory(inner, { hasParents: true, isDurable: options.isDurable === true });
      return true;
    }
    if (code !== "exists" || options.isNew) throw thrown;
    if (mount.stat(inner, true).type !== "directory") throw refusal("ENOTDIR", path, "create");
    return false;
  }
}

function copyEntry(
  { origin, vfs }: Ends,
  from: VfsPath,
  to: VfsPath,
  { type }: Entry,
  options: CopyOptions,
  copied: Copied,
): void {
  if (type === "other") throw refusal("ENXIO", from, "copy");
  const target = vfs.locateWritable(to, "write");
  if (type === "symlink") {
    const text = origin.readLinkAt(from);
    requireInside(text, target.path);
    if (!options.isNew) removeLink(vfs, to);
    target.mount.symlink(text, target.path);
  } else copied.bytes += copyFile({ origin, vfs }, from, to, options);
  copied.files++;
}

function copyFile({ origin, vfs }: Ends, from: VfsPath, to: VfsPath, options: CopyOptions): number {
  const source = origin.locateAt(from);
  const target = vfs.locateWritable(to, "write");
  using file = source.mount.openFile(source.path);
  using pending = target.mount.createFile(target.path, { ...options, mode: file.mode });
  const bytes = copyInKernel(file, pending, target.mount.quota, to) ?? copyByHand(file, pending);
  pending.commit();
  return bytes;
}

/** Undefined where the kernel cannot, and where bytes must be counted as they come. */
function copyInKernel(
  file: OpenFile,
  pending: PendingFile,
  quota: { bytes?: number },
  path: VfsPath,
): number | undefined {
  if (file.descriptor === undefined || pending.descriptor === undefined || quota.bytes !== undefined)
    return undefined;
  if (file.sizeBytes > 0 && cloneFile(file.descriptor, pending.descriptor)) return file.sizeBytes;
  let copied = 0;
  for (;;) {
    let length: number | undefined;
    try {
      length = copyRange(file.descriptor, pending.descriptor);
    } catch (thrown) {
      throw explain(thrown, path, "write");
    }
    if (length === undefined && copied === 0) return undefined;
    // Files of /proc seem empty to this call and are not: the copy by hand finds that out.
    if (length === 0 && copied === 0) return undefined;
    if (!length) return copied + (length === undefined ? copyByHand(file, pending) : 0);
    copied += length;
  }
}

function copyByHand(file: OpenFile, pending: PendingFile): number {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, file.sizeBytes + 1));
  let copied = 0;
  for (;;) {
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
    if (mount.stat(inner, false).type !== "directory") mount.remove(inner, false);
  } catch (thrown) {
    if ((thrown as { code?: string }).code !== "not-found") throw thrown;
  }
}

function removeQuietly(vfs: VfsView, path: VfsPath): void {
  const { mount, path: inner } = vfs.locateAt(path);
  try {
    mount.remove(inner, true);
  } catch {
    // The failure that led here is the one to tell.
  }
}
