import { chmodSync, closeSync, constants, openSync, readlinkSync, readSync } from "node:fs";

import { closeDescriptor, type FileStat, statAt, statDescriptor } from "../system/file-stat.ts";
import { freeSpace } from "../system/free-space.ts";
import { watchDescriptor } from "../system/inotify.ts";
import { Accounting } from "./accounting.ts";
import { FILE, openDiskLog, requireOwn, writeInPlace } from "./disk-change.ts";
import { makeLink, moveName, readLinkOf, removeName } from "./disk-names.ts";
import { readAll, requireReadable } from "./disk-read.ts";
import { type DiskRoot, isTemporary, makeOne, openOrMake, shownNames, syncUpwards } from "./disk-root.ts";
import { diskUsage } from "./disk-scan.ts";
import { createPending } from "./disk-write.ts";
import {
  type Entry,
  type Mount,
  type OpenFile,
  type OpenLog,
  type PendingFile,
  type Quota,
  type Usage,
  type Watch,
  type WriteOptions,
} from "./mount.ts";
import { decodeName } from "./raw-name.ts";
import { chooseResolve, nameForCall, O_PATH, type Resolve } from "./resolve.ts";
import { UsageRecord } from "./usage-record.ts";
import { explain, guarded, refusal, requireFile, slash, vfsError } from "./vfs-error.ts";
import { splitPath, type VfsPath } from "./vfs-path.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const EXECUTE_BITS = 0o111;

export type DiskMountOptions = {
  isReadOnly?: boolean;
  quota?: Quota;
  /** Refuse files that have a name outside: see `DiskRoot`. Default true. */
  hasOwnFilesOnly?: boolean;
  /** How paths are looked up; by default the best that works here. */
  resolve?: Resolve;
  /** Milliseconds since 1970. */
  now?: () => number;
};

/**
 * A directory of the machine as a file system that nobody leaves. Owns the directory's descriptor, and no other: a kept one
 * would go on reading an old tree after a switch, and write into a directory that was moved out.
 */
export class DiskMount implements Mount {
  readonly isReadOnly: boolean;
  readonly #root: DiskRoot;
  readonly #now: () => number;
  /** What a part of it was taken from: it holds the quota. */
  readonly #whole: DiskMount | undefined;

  /** @param directory exists. Throws what node:fs throws where it does not. */
  constructor(
    directory: string,
    {
      isReadOnly = false,
      quota = {},
      hasOwnFilesOnly = true,
      resolve,
      now = Date.now,
    }: DiskMountOptions = {},
    whole?: DiskMount,
  ) {
    const descriptor = openSync(directory, O_PATH | O_DIRECTORY);
    try {
      this.isReadOnly = isReadOnly;
      this.#now = now;
      this.#whole = whole;
      const owner = ownerOf(descriptor);
      const accounting = whole
        ? whole.#root.accounting
        : new Accounting(() => this.usage(), quota, new UsageRecord(descriptor, owner), now);
      this.#root = {
        descriptor,
        resolve: resolve ?? chooseResolve(descriptor),
        hasOwnFilesOnly,
        accounting,
        owner,
      };
    } catch (thrown) {
      closeSync(descriptor);
      throw thrown;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#root.descriptor);
    this.#whole?.[Symbol.dispose]();
  }

  /**
   * A directory in it as a file system of its own: nothing above that directory can be reached through it. What is written
   * there counts to the quota of the whole, which it takes over and closes.
   */
  subMount(path: VfsPath, isReadOnly: boolean): DiskMount {
    return guarded(path, "mount", () => {
      const descriptor = this.#open(path, O_PATH | O_DIRECTORY);
      try {
        const options = { isReadOnly, resolve: this.#root.resolve, now: this.#now };
        return new DiskMount(`/proc/self/fd/${descriptor}/.`, options, this);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  readFile(path: VfsPath, limitBytes: number): Uint8Array {
    try {
      const descriptor = this.#open(path, O_RDONLY | FILE | slash(path));
      try {
        const { sizeBytes } = requireReadable(this.#root, path, descriptor);
        return readAll(descriptor, sizeBytes, limitBytes, path);
      } finally {
        closeDescriptor(descriptor);
      }
    } catch (thrown) {
      throw explain(thrown, path, "read");
    }
  }

  openFile(path: VfsPath): OpenFile {
    return guarded(path, "read", () => {
      const descriptor = this.#open(path, O_RDONLY | FILE | slash(path));
      try {
        const { sizeBytes, mode } = requireReadable(this.#root, path, descriptor);
        return {
          descriptor,
          sizeBytes,
          mode,
          read: (buffer) => guarded(path, "read", () => readSync(descriptor, buffer, 0, buffer.length, null)),
          [Symbol.dispose]: () => closeSync(descriptor),
        };
      } catch (thrown) {
        closeSync(descriptor);
        throw thrown;
      }
    });
  }

  writeFile(path: VfsPath, bytes: Uint8Array, options: WriteOptions): void {
    if (options.isInPlace) {
      writeInPlace(this.#root, path, bytes, options);
      return;
    }
    using pending = createPending(this.#root, path, options, false);
    pending.write(bytes);
    pending.commit();
  }

  createFile(path: VfsPath, options: WriteOptions): PendingFile {
    return createPending(this.#root, path, options, true);
  }

  openLog(path: VfsPath, options: WriteOptions): OpenLog | undefined {
    return openDiskLog(this.#root, path, options);
  }

  names(path: VfsPath): string[] {
    return this.#inDirectory(path, shownNames);
  }

  list(path: VfsPath): Entry[] {
    return this.#inDirectory(path, (directory) =>
      shownNames(directory)
        .toSorted()
        .flatMap((name) => {
          const stat = statAt(directory, nameForCall(name));
          return stat ? entryOf(name, stat) : [];
        }),
    );
  }

  stat(path: VfsPath, isFollowing: boolean): Entry {
    return guarded(path, "look at", () => {
      const flags = O_PATH | (isFollowing || path.isDirectory ? slash(path) : O_NOFOLLOW);
      const descriptor = this.#open(path, flags);
      try {
        return entryOf(splitPath(path.relative).name || "/", statDescriptor(descriptor));
      } finally {
        closeSync(descriptor);
      }
    });
  }

  makeDirectory(path: VfsPath, { hasParents, isDurable }: { hasParents: boolean; isDurable: boolean }): void {
    guarded(path, "create", () => {
      const creation = { path, verb: "create", isDurable };
      if (!hasParents && path.relative === ".") throw refusal("EEXIST", path, "create");
      if (!hasParents) makeOne(this.#root, creation);
      if (!hasParents && !isDurable) return;
      const made = openOrMake(this.#root, path.relative, creation);
      try {
        if (isDurable) syncUpwards(this.#root, made);
      } finally {
        closeSync(made);
      }
    });
  }

  remove(path: VfsPath, options: { isRecursive: boolean; isDurable: boolean }): void {
    removeName(this.#root, path, options, this.#now());
  }

  rename(from: VfsPath, to: VfsPath, options: WriteOptions): void {
    moveName(this.#root, from, to, options);
  }

  symlink(target: string, path: VfsPath, isDurable: boolean): void {
    makeLink(this.#root, target, path, isDurable);
  }

  readLink(path: VfsPath): string {
    return readLinkOf(this.#root, path);
  }

  setExecutable(path: VfsPath, isExecutable: boolean): void {
    guarded(path, "change the mode of", () => {
      const descriptor = this.#open(path, O_PATH | slash(path));
      try {
        const stat = statDescriptor(descriptor);
        requireFile(path, stat, "change the mode of");
        requireOwn(this.#root, path, stat, "change the mode of");
        // Whoever may read may run it, as `chmod +x` with the usual umask does.
        const readers = (stat.mode & 0o444) >> 2;
        const mode = isExecutable ? stat.mode | readers : stat.mode & ~EXECUTE_BITS;
        // fchmod(2) refuses what was opened with O_PATH; by this name it cannot be led elsewhere.
        chmodSync(`/proc/self/fd/${descriptor}`, mode & 0o777);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  usage(): Usage {
    return guarded(ROOT, "count", () => diskUsage(this.#root.descriptor));
  }

  freeBytes(): number {
    return guarded(ROOT, "look at", () => {
      // A file system without a size has no free space to tell of either.
      return freeSpace(`/proc/self/fd/${this.#root.descriptor}/.`) ?? 0;
    });
  }

  get quota(): Quota {
    return this.#root.accounting.quota;
  }

  hostPath(path: VfsPath): string {
    return guarded(path, "find", () => {
      const descriptor = this.#open(path, O_PATH | slash(path));
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  watch(path: VfsPath): Watch {
    return guarded(path, "watch", () => {
      const descriptor = this.#open(path, O_PATH | slash(path));
      try {
        const { events, stop } = watchDescriptor(descriptor, path.relative === ROOT.relative);
        return { events: shownEvents(events), stop };
      } catch (thrown) {
        const { code } = thrown as NodeJS.ErrnoException;
        // inotify(7) says so of its own limits, and not of the disk.
        if (code !== "ENOSPC" && code !== "EMFILE") throw thrown;
        throw vfsError("io", path, "watch", "this user watches too many files already");
      } finally {
        closeSync(descriptor);
      }
    });
  }

  #open(path: VfsPath, flags: number): number {
    return this.#root.resolve(this.#root.descriptor, path.relative, flags);
  }

  #inDirectory<T>(path: VfsPath, work: (directory: number) => T): T {
    return guarded(path, "list", () => {
      const directory = this.#open(path, O_RDONLY | O_DIRECTORY);
      try {
        return work(directory);
      } finally {
        closeSync(directory);
      }
    });
  }
}

async function* shownEvents(events: ReturnType<typeof watchDescriptor>["events"]): Watch["events"] {
  for await (const { kind, name } of events) {
    const text = name && decodeName(name);
    if (text === undefined || !isTemporary(text)) yield { type: kind, name: text ?? null };
  }
}

const ROOT: VfsPath = { shown: "/", relative: ".", isDirectory: true };

/** Whom root works for in this directory; undefined where that is root itself, or we are not root. */
function ownerOf(descriptor: number): DiskRoot["owner"] {
  if (process.geteuid?.() !== 0) return undefined;
  const { uid, gid } = statDescriptor(descriptor);
  return uid === 0 ? undefined : { uid, gid };
}

function entryOf(name: string, { type, sizeBytes, modifiedMs, mode }: FileStat): Entry {
  return { name, type, sizeBytes: type === "file" ? sizeBytes : 0, modifiedMs, mode };
}
