import { closeSync, fstatSync } from "node:fs";

import { chmodSync, createSync, fchmodSync, mkdirSync, symlinkSync } from "../system/changes.ts";
import { syncDirectory, syncFile, syncFileSystem, writeFully } from "../system/durable.ts";
import { type PackSink } from "./read-pack.ts";
import { type TreeEntry } from "./tree-entry.ts";

/**
 * Up to so many entries are flushed one by one; beyond, one syncfs(2) for all is cheaper, although it waits for everybody's
 * data. Measured: 10,000 files take 7 s one by one and 0.6 s with one syncfs; 50 files 15 ms and 3.4 ms, on a busy disk.
 */
export const MAX_SINGLE_SYNCS = 32;

export type FileIdentity = { mtime_ns: string; inode: string };

export type CopySink = PackSink & {
  /** Of each file, in the order of the digest. */
  identities: FileIdentity[];
  /** Makes the copy durable, and the content of files beside it: call it once, after all changes at its top. */
  flush: (files: readonly string[]) => void;
  /** Closes what is open after a failure. */
  close: () => void;
};

/**
 * Writes what is read into a new directory, read-only: 444 and 555. Only the copy's top stays writable (755), for the
 * links that are added and for the rename that puts it into the store.
 *
 * @param directory does not exist yet
 * @param entries how many names there will be in it
 */
export function createCopySink(directory: string, entries: number): CopySink {
  const identities: FileIdentity[] = [];
  // Flushed at the end: meanwhile the kernel has written most of it by itself.
  const unflushed: UnflushedName[] = [];
  let open: { path: string; mode: number; descriptor: number } | undefined;
  const place = (path: string) => (path === "" ? directory : `${directory}/${path}`);
  return {
    identities,
    openDirectory: (path) => mkdirSync(place(path), 0o700),
    closeDirectory(path) {
      chmodSync(place(path), path === "" ? 0o755 : 0o555);
      if (path !== "") unflushed.push({ path, isDirectory: true });
    },
    symlink: (path, target) => symlinkSync(target, place(path)),
    openFile({ path, mode }: Pick<TreeEntry, "path" | "mode">) {
      const stored = mode & 0o555;
      open = { path, mode: stored, descriptor: createSync(place(path), stored) };
    },
    write(bytes) {
      if (open) writeFully(open.descriptor, bytes);
    },
    closeFile() {
      if (!open) return;
      const { path, mode, descriptor } = open;
      open = undefined;
      unflushed.push({ path, isDirectory: false });
      try {
        const { mode: given, mtimeNs, ino } = fstatSync(descriptor, { bigint: true });
        // The mode that was asked for is cut by the umask and by default ACLs.
        if ((given & 0o7777n) !== BigInt(mode)) fchmodSync(descriptor, mode);
        identities.push({ mtime_ns: String(mtimeNs), inode: String(ino) });
      } finally {
        closeSync(descriptor);
      }
    },
    close() {
      if (open) closeSync(open.descriptor);
      open = undefined;
    },
    flush: (files) => flushTree(directory, unflushed, files, entries),
  };
}

/** A name below a copy that is not known to be on the disk. */
export type UnflushedName = { path: string; isDirectory: boolean };

/** Makes a copy and files beside it durable: each by itself, or the whole file system at once. */
export function flushTree(
  directory: string,
  names: readonly UnflushedName[],
  files: readonly string[],
  entries: number,
): void {
  if (entries > MAX_SINGLE_SYNCS) return syncFileSystem(directory);
  for (const { path, isDirectory } of names) (isDirectory ? syncDirectory : syncFile)(`${directory}/${path}`);
  syncDirectory(directory);
  for (const path of files) syncFile(path);
}
