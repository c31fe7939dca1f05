import { closeSync, fchmodSync, fchownSync, fsyncSync, unlinkSync } from "node:fs";

import { TEMPORARY_PREFIX, writeFully } from "../system/durable.ts";
import { type FileStat, statAt, statDescriptor } from "../system/file-stat.ts";
import { tryFlock } from "../system/flock.ts";
import { linkDescriptor, openUnnamed } from "../system/link-descriptor.ts";
import { randomHex } from "../system/random-id.ts";
import { renameIn, renameNew } from "../system/renameat2.ts";
import { type Growth } from "./accounting.ts";
import { NEW_FILE_MODE } from "./disk-change.ts";
import { type DiskRoot, findPlace, giveToOwner, makeParents, type Place, syncUpwards } from "./disk-root.ts";
import { type PendingFile, type WriteOptions } from "./mount.ts";
import { createIn, nameForCall, placeOf, terminated } from "./resolve.ts";
import { explain, refusal, requireFile, requireFileName } from "./vfs-error.ts";
import { type VfsPath } from "./vfs-path.ts";

/** Unfinished files of this process begin so; a counter makes each its own. */
const temporaryStem = `${TEMPORARY_PREFIX}${process.pid}.${randomHex(6)}`;
let counter = 0;

/**
 * A file that takes its name when it is whole. An old file keeps its mode and owner; a symlink is followed while it stays
 * inside, and only replaced where it is asked for.
 *
 * @param isStream it may take long: then it has no name before the end, where the file system can, so that a crash leaves
 * nothing; elsewhere it is locked, so that a sweep does not take it for abandoned however slowly it grows
 */
export function createPending(
  root: DiskRoot,
  path: VfsPath,
  options: WriteOptions,
  isStream: boolean,
): PendingFile {
  requireFileName(path, "write");
  try {
    if (options.hasParents) makeParents(root, { path, verb: "write", isDurable: options.isDurable === true });
    const isKept = options.isNew === true || options.isReplacing === true;
    const place = findPlace(root, path.relative, isKept ? "keep" : "follow");
    try {
      if (place.old && options.isNew) throw refusal("EEXIST", path, "write");
      if (place.old && (!options.isReplacing || place.old.type === "directory"))
        requireFile(path, place.old, "write");
      return new PendingDiskFile(root, place, path, options, isStream);
    } catch (thrown) {
      closeSync(place.directory);
      throw thrown;
    }
  } catch (thrown) {
    throw explain(thrown, path, "write");
  }
}

class PendingDiskFile implements PendingFile {
  readonly descriptor: number;
  readonly #root: DiskRoot;
  readonly #place: Place;
  readonly #path: VfsPath;
  readonly #options: WriteOptions;
  /** Its name for now; undefined while it has none. */
  #temporary: string | undefined;
  #written = 0;
  #isOpen = true;

  constructor(root: DiskRoot, place: Place, path: VfsPath, options: WriteOptions, isStream: boolean) {
    this.#root = root;
    this.#place = place;
    this.#path = path;
    this.#options = options;
    const old = place.old?.type === "file" ? place.old : undefined;
    const mode = old?.mode ?? options.mode ?? NEW_FILE_MODE;
    const unnamed = isStream ? openUnnamed(place.directory, mode) : undefined;
    if (unnamed === undefined) {
      this.#temporary = freshName();
      this.descriptor = createIn(root.resolve, place.directory, this.#temporary, mode);
    } else this.descriptor = unnamed;
    try {
      if (isStream && unnamed === undefined) tryFlock(this.descriptor, "shared");
      if (old) takeOver(this.descriptor, old);
      else giveToOwner(root, this.descriptor);
    } catch (thrown) {
      // The directory is the caller's to close: it has no file yet that would do so.
      closeSync(this.descriptor);
      this.#removeTemporary();
      throw thrown;
    }
  }

  write(bytes: Uint8Array): void {
    this.#guarded(() => {
      this.requireRoom(this.#written + bytes.length);
      writeFully(this.descriptor, bytes);
      this.#written += bytes.length;
    });
  }

  requireRoom(sizeBytes: number): void {
    const { accounting } = this.#root;
    if (accounting.isLimited) accounting.require(this.#growth(sizeBytes), this.#path, "write");
  }

  commit(): void {
    this.#guarded(() => {
      const { accounting } = this.#root;
      if (this.#options.isDurable) fsyncSync(this.descriptor);
      if (!accounting.isLimited) this.#takeName();
      else
        accounting.exclusively(this.#path, "write", () => {
          // The kernel may have copied into it, past `write`.
          const { sizeBytes } = statDescriptor(this.descriptor);
          accounting.grow(this.#growth(sizeBytes), this.#path, "write", () => this.#takeName());
        });
      if (this.#options.isDurable) syncUpwards(this.#root, this.#place.directory);
    });
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.descriptor);
    this.#removeTemporary();
    closeSync(this.#place.directory);
  }

  #takeName(): void {
    const { directory, name, path: final } = this.#place;
    const { isNew = false } = this.#options;
    if (this.#temporary === undefined && isNew) {
      linkDescriptor(this.descriptor, terminated(final));
      return;
    }
    if (this.#temporary === undefined) {
      const fresh = freshName();
      linkDescriptor(this.descriptor, terminated(placeOf(directory, fresh)));
      this.#temporary = fresh;
    }
    if (isNew) renameNew(terminated(placeOf(directory, this.#temporary)), terminated(final));
    else renameIn(directory, this.#temporary, nameForCall(name));
    this.#temporary = undefined;
  }

  /** What it takes more than what it replaces, which others may have exchanged since we looked. */
  #growth(sizeBytes: number): Growth {
    const { directory, name } = this.#place;
    const old = statAt(directory, nameForCall(name));
    return { bytes: sizeBytes - (old?.type === "file" ? old.sizeBytes : 0), entries: old ? 0 : 1 };
  }

  /** Whoever may write into the directory may have taken it away already. */
  #removeTemporary(): void {
    if (this.#temporary === undefined) return;
    try {
      unlinkSync(placeOf(this.#place.directory, this.#temporary));
    } catch {
      // What led here is the failure to tell; a sweep finds what is left.
    }
    this.#temporary = undefined;
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      throw explain(thrown, this.#path, "write");
    }
  }
}

function freshName(): string {
  return `${temporaryStem}.${(counter++).toString(36)}`;
}

/** As root, a file stays its owner's: a pack that runs as a user of its own must be able to go on with it. */
function takeOver(descriptor: number, { mode, uid, gid }: FileStat): void {
  if (process.geteuid?.() === 0 && (uid !== 0 || gid !== 0)) fchownSync(descriptor, uid, gid);
  // What it was created with is less where the umask takes something away.
  if ((mode & process.umask()) !== 0) fchmodSync(descriptor, mode);
}
