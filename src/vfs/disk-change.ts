import { closeSync, constants, fsyncSync, ftruncateSync, openSync, unlinkSync } from "node:fs";

import { writeFully } from "../system/durable.ts";
import { type FileStat, isSameFile, statDescriptor } from "../system/file-stat.ts";
import { tryFlock } from "../system/flock.ts";
import { type DiskRoot, findPlace, giveToOwner, ifThere, makeParents, syncUpwards } from "./disk-root.ts";
import { hasAllNamesInside } from "./disk-scan.ts";
import { type OpenLog, type WriteOptions } from "./mount.ts";
import { explain, requireFile, requireFileName, vfsError } from "./vfs-error.ts";
import { type VfsPath } from "./vfs-path.ts";

/* Changes to a file that is there: it stays the same one, under all its names. */

const { O_APPEND, O_CREAT, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;
/** A fifo must not keep anybody waiting, and a terminal must not become ours. */
export const FILE = O_NONBLOCK | O_NOCTTY;
/** Less the umask, but for a directory with a default ACL, where it would keep out whom the ACL lets in. */
export const NEW_FILE_MODE = 0o660;

/** Puts new content into the file that is there: no new inode, but a reader may see a part of it. */
export function writeInPlace(root: DiskRoot, path: VfsPath, bytes: Uint8Array, options: WriteOptions): void {
  requireFileName(path, "write");
  try {
    if (options.hasParents) makeParents(root, { path, verb: "write", isDurable: options.isDurable === true });
    root.accounting.exclusively(path, "write", () => {
      const { descriptor } = openForChange(root, path, options, O_WRONLY, bytes.length);
      try {
        const { links, sizeBytes, ...old } = statDescriptor(descriptor);
        requireChangeable(root, path, { links, sizeBytes, ...old }, "write");
        // Each name counts.
        const growth = { bytes: (bytes.length - sizeBytes) * links, entries: 0 };
        root.accounting.grow(growth, path, "write", () => {
          writeFully(descriptor, bytes);
          // Not before: ext4 flushes at the close what was cut to nothing and written anew.
          if (sizeBytes > bytes.length) ftruncateSync(descriptor, bytes.length);
        });
        if (options.isDurable) syncFile(root, path, descriptor);
      } finally {
        closeSync(descriptor);
      }
    });
  } catch (thrown) {
    throw explain(thrown, path, "write");
  }
}

/**
 * Opens a file for adding to its end, under an exclusive lock (flock(2)) that all who append here take.
 *
 * @returns undefined while somebody else holds it
 */
export function openDiskLog(root: DiskRoot, path: VfsPath, options: WriteOptions): OpenLog | undefined {
  requireFileName(path, "append to");
  try {
    if (options.hasParents)
      makeParents(root, { path, verb: "append to", isDurable: options.isDurable === true });
    const { descriptor, isCreated } = openForChange(root, path, options, O_WRONLY | O_APPEND, 0);
    try {
      requireChangeable(root, path, statDescriptor(descriptor), "append to");
      if (!tryFlock(descriptor, "exclusive") || !isStillAt(root, path, descriptor)) {
        closeSync(descriptor);
        return undefined;
      }
      return new DiskLog(root, path, descriptor, isCreated, options.isDurable === true);
    } catch (thrown) {
      closeSync(descriptor);
      throw thrown;
    }
  } catch (thrown) {
    throw explain(thrown, path, "append to");
  }
}

class DiskLog implements OpenLog {
  readonly #root: DiskRoot;
  readonly #path: VfsPath;
  readonly #descriptor: number;
  readonly #isCreated: boolean;
  readonly #isDurable: boolean;
  readonly #start: number;
  readonly #links: number;
  #state: "open" | "whole" | "closed" = "open";

  constructor(root: DiskRoot, path: VfsPath, descriptor: number, isCreated: boolean, isDurable: boolean) {
    this.#root = root;
    this.#path = path;
    this.#descriptor = descriptor;
    this.#isCreated = isCreated;
    this.#isDurable = isDurable;
    const { sizeBytes, links } = statDescriptor(descriptor);
    this.#start = sizeBytes;
    this.#links = links;
  }

  write(bytes: Uint8Array): void {
    try {
      // Each name counts.
      const growth = { bytes: bytes.length * this.#links, entries: 0 };
      this.#root.accounting.grow(growth, this.#path, "append to", () => writeFully(this.#descriptor, bytes));
    } catch (thrown) {
      throw explain(thrown, this.#path, "append to");
    }
  }

  commit(): void {
    try {
      if (this.#isDurable) syncFile(this.#root, this.#path, this.#descriptor);
      this.#state = "whole";
    } catch (thrown) {
      throw explain(thrown, this.#path, "append to");
    }
  }

  [Symbol.dispose](): void {
    if (this.#state === "closed") return;
    const isWhole = this.#state === "whole";
    this.#state = "closed";
    try {
      // Half a record would be taken for a record by the next reader.
      if (!isWhole && statDescriptor(this.#descriptor).sizeBytes > this.#start)
        ftruncateSync(this.#descriptor, this.#start);
      if (!isWhole && this.#isCreated && this.#start === 0) this.#removeAgain();
    } finally {
      closeSync(this.#descriptor);
    }
  }

  /** Nobody else can have added anything: it is locked, and who waits for it looks whether it is still there. */
  #removeAgain(): void {
    const place = ifThere(() => findPlace(this.#root, this.#path.relative, "follow"));
    if (!place) return;
    try {
      const mine = statDescriptor(this.#descriptor);
      if (place.old && isSameFile(place.old, mine) && mine.sizeBytes === 0) unlinkSync(place.path);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    } finally {
      closeSync(place.directory);
    }
  }
}

type Opened = { descriptor: number; isCreated: boolean };

/** So often a file is opened that others create and remove all the time. */
const MAX_TRIES = 100;

/** Opens a file that is there, or creates it where so many bytes have room. Nothing is cut off. */
function openForChange(
  root: DiskRoot,
  path: VfsPath,
  options: WriteOptions,
  flags: number,
  bytes: number,
): Opened {
  for (let tries = 1; ; tries++) {
    try {
      if (!options.isNew)
        return { descriptor: root.resolve(root.descriptor, path.relative, flags | FILE), isCreated: false };
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    }
    try {
      return createForChange(root, path, options, flags, bytes);
    } catch (thrown) {
      // Somebody was quicker: then it is there, unless it was removed again.
      if ((thrown as NodeJS.ErrnoException).code !== "EEXIST" || options.isNew || tries === MAX_TRIES)
        throw thrown;
    }
  }
}

function createForChange(
  root: DiskRoot,
  path: VfsPath,
  options: WriteOptions,
  flags: number,
  bytes: number,
): Opened {
  const place = findPlace(root, path.relative, options.isNew ? "keep" : "follow");
  try {
    if (!place.old) root.accounting.require({ bytes, entries: 1 }, path, "write");
    const descriptor = root.accounting.grow({ bytes: 0, entries: 1 }, path, "write", () =>
      openSync(place.path, flags | FILE | O_CREAT | O_EXCL | O_NOFOLLOW, options.mode ?? NEW_FILE_MODE),
    );
    try {
      giveToOwner(root, descriptor);
    } catch (thrown) {
      closeSync(descriptor);
      throw thrown;
    }
    return { descriptor, isCreated: true };
  } finally {
    closeSync(place.directory);
  }
}

function syncFile(root: DiskRoot, path: VfsPath, descriptor: number): void {
  fsyncSync(descriptor);
  const place = ifThere(() => findPlace(root, path.relative, "follow"));
  // Whoever has moved or removed it since knows what becomes of its name.
  if (!place) return;
  try {
    syncUpwards(root, place.directory);
  } finally {
    closeSync(place.directory);
  }
}

/** What is changed in place changes under all its names, so none of them may be outside. */
function requireChangeable(root: DiskRoot, path: VfsPath, stat: FileStat, verb: string): void {
  requireFile(path, stat, verb);
  requireOwn(root, path, stat, verb);
}

/** Refuses a file that has a name outside the root, where those count as outside. */
export function requireOwn(root: DiskRoot, path: VfsPath, stat: FileStat, verb: string): void {
  if (stat.links <= 1 || !root.hasOwnFilesOnly || hasAllNamesInside(root, stat)) return;
  throw vfsError("escape-refused", path, verb, "it has another name, which is outside the pack's root");
}

/** Between the open and the lock, somebody may have put a new file in the place, or taken it away. */
function isStillAt(root: DiskRoot, path: VfsPath, descriptor: number): boolean {
  const mine = statDescriptor(descriptor);
  const place = ifThere(() => findPlace(root, path.relative, "follow"));
  if (!place) return false;
  closeSync(place.directory);
  return place.old !== undefined && isSameFile(place.old, mine);
}
