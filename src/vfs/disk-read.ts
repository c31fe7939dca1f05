import { type FileStat, readDescriptor, statDescriptor } from "../system/file-stat.ts";
import { requireOwn } from "./disk-change.ts";
import { type DiskRoot } from "./disk-root.ts";
import { requireFile, vfsError } from "./vfs-error.ts";
import { type VfsPath } from "./vfs-path.ts";

/** Refuses what is no regular file, and one that has a name outside. */
export function requireReadable(root: DiskRoot, path: VfsPath, descriptor: number): FileStat {
  const stat = statDescriptor(descriptor);
  requireFile(path, stat, "read");
  requireOwn(root, path, stat, "read");
  return stat;
}

/**
 * The content of a file as it was when its size was looked at. Some files say that they have 0 bytes and have more, and some
 * have fewer than they say.
 */
export function readAll(
  descriptor: number,
  sizeBytes: number,
  limitBytes: number,
  path: VfsPath,
): Uint8Array {
  if (sizeBytes > limitBytes) throw tooLarge(path, limitBytes);
  if (sizeBytes === 0) return readToEnd(descriptor, limitBytes, path);
  const buffer = new Uint8Array(sizeBytes);
  let length = readDescriptor(descriptor, buffer);
  while (length < sizeBytes) {
    const got = readDescriptor(descriptor, buffer.subarray(length));
    if (got === 0) return buffer.subarray(0, length);
    length += got;
  }
  return buffer;
}

function readToEnd(descriptor: number, limitBytes: number, path: VfsPath): Uint8Array {
  let buffer = Buffer.allocUnsafeSlow(4096);
  for (let length = 0; ;) {
    const got = readDescriptor(descriptor, buffer.subarray(length));
    if (got === 0) return buffer.subarray(0, length);
    length += got;
    if (length > limitBytes) throw tooLarge(path, limitBytes);
    if (length === buffer.length) buffer = Buffer.concat([buffer], length * 2);
  }
}

function tooLarge(path: VfsPath, limitBytes: number) {
  return vfsError("too-large", path, "read", `it has more than ${limitBytes} bytes`);
}
