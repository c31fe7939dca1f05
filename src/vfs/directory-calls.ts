import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmdirSync,
  type Stats,
  unlinkSync,
} from "node:fs";

import { AuroraError } from "../errors.ts";
import { TEMPORARY_PREFIX, writeFully } from "../system/durable.ts";
import { type VfsPath } from "./vfs-path.ts";

/*
 * Single steps on names in an open directory, by way of /proc/self/fd: none of them follows a link.
 */

type EntryType = "file" | "directory" | "symlink" | "other";
export type VfsEntry = { name: string; type: EntryType; size_bytes: number; modified: string };

/** So much is read or written at once, in bytes: big files need no more memory than small ones. */
export const CHUNK_BYTES = 256 * 1024;
/** How deep `tree` and a recursive removal go. */
export const MAX_DEPTH = 512;

export function entryOf(name: string, stat: Stats): VfsEntry {
  return {
    name,
    type: typeOf(stat),
    size_bytes: stat.isFile() ? stat.size : 0,
    modified: stat.mtime.toISOString(),
  };
}

function typeOf(stat: Stats): EntryType {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  return stat.isSymbolicLink() ? "symlink" : "other";
}

export function entriesOf(directory: number): VfsEntry[] {
  const place = `/proc/self/fd/${directory}`;
  return readdirSync(place)
    .filter((name) => !name.startsWith(TEMPORARY_PREFIX))
    .toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    .flatMap((name) => {
      const stat = lstatSync(`${place}/${name}`, { throwIfNoEntry: false });
      return stat ? [entryOf(name, stat)] : [];
    });
}

export function openIfDirectory(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    return undefined; // It was exchanged or removed meanwhile.
  }
}

/** Names as bytes, so that one which is no UTF-8 can be removed as well. */
export function removeBelow(directory: number, name: Buffer, depth: number): void {
  const place = Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
  if (depth >= MAX_DEPTH) throw new AuroraError("too-large", `it is more than ${MAX_DEPTH} directories deep`);
  const inner = openSync(place, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    for (const child of readdirSync(`/proc/self/fd/${inner}`, { encoding: "buffer" })) {
      const childPlace = Buffer.concat([Buffer.from(`/proc/self/fd/${inner}/`), child]);
      if (lstatSync(childPlace, { throwIfNoEntry: false })?.isDirectory())
        removeBelow(inner, child, depth + 1);
      else unlinkSync(childPlace);
    }
  } finally {
    closeSync(inner);
  }
  rmdirSync(place);
}

export async function fill(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  mode: number,
  isDurable: boolean,
): Promise<number> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const descriptor = openSync(path, flags, 0o600);
  try {
    let written = 0;
    for await (const chunk of chunks) {
      writeFully(descriptor, chunk);
      written += chunk.length;
    }
    fchmodSync(descriptor, mode);
    if (isDurable) fsyncSync(descriptor);
    return written;
  } finally {
    closeSync(descriptor);
  }
}

export async function* readChunks(descriptor: number): AsyncGenerator<Uint8Array> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (;;) {
    const length = readSync(descriptor, chunk, 0, chunk.length, null);
    if (length === 0) return;
    yield chunk.subarray(0, length);
  }
}

/** Gives a new file its name only where nobody has taken that meanwhile: link(2) does not replace. */
export function linkNew(temporary: string, path: string, shown: VfsPath): void {
  try {
    linkSync(temporary, path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
    throw new AuroraError("exists", `cannot write "${shown.shown}": it exists already`);
  }
}

export function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
  }
}

export function syncDescriptor(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export function readLinkOf(descriptor: number): string {
  return readlinkSync(`/proc/self/fd/${descriptor}`);
}
