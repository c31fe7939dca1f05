import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmdirSync,
  statfsSync,
  unlinkSync,
} from "node:fs";

import { AuroraError } from "../errors.ts";
import { TEMPORARY_PREFIX, writeFully } from "../system/durable.ts";
import { randomHex } from "../system/random-id.ts";
import {
  CHUNK_BYTES,
  entriesOf,
  entryOf,
  fill,
  linkNew,
  MAX_DEPTH,
  openIfDirectory,
  readChunks,
  readLinkOf,
  removeBelow,
  syncDescriptor,
  unlinkIfThere,
  type VfsEntry,
} from "./directory-calls.ts";
import { chooseResolve, O_PATH, type Resolve } from "./resolve.ts";
import { explain, fileName, requireFile, slash } from "./vfs-error.ts";
import { parseVfsPath, type VfsPath } from "./vfs-path.ts";

/** A fifo must not keep anybody waiting, and a terminal must not become ours. */
const FILE = constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * A pack's root: everything that is done to the pack's files goes through it and cannot leave it. Paths are looked up by the
 * kernel below the root's descriptor (`resolve.ts`); names are then used relative to the descriptor of their directory, in
 * calls that do not follow a link. Hard links cannot be told from files by any path: what has several is replaced by `write`,
 * and not changed in place.
 */
export class PackRoot {
  readonly #root: number;
  readonly #resolve: Resolve;

  /**
   * @param directory exists
   * @param resolve for tests; by default the best that works here
   */
  constructor(directory: string, resolve?: Resolve) {
    this.#root = openSync(directory, O_PATH | constants.O_DIRECTORY);
    this.#resolve = resolve ?? chooseResolve(this.#root);
  }

  [Symbol.dispose](): void {
    closeSync(this.#root);
  }

  /** The names in a directory, sorted by their code units. Throws `not-found`, `not-a-directory`. */
  list(path: string): VfsEntry[] {
    const parsed = parseVfsPath(path);
    return this.#guard(parsed, "list", () =>
      this.#listOpen(this.#open(parsed.names, constants.O_RDONLY | constants.O_DIRECTORY)),
    );
  }

  /** What is at a path; a symlink is shown as what it leads to, and one that leads out is refused. */
  stat(path: string): VfsEntry {
    const parsed = parseVfsPath(path);
    return this.#guard(parsed, "look at", () => {
      const descriptor = this.#open(
        parsed.names,
        parsed.isDirectory ? O_PATH | constants.O_DIRECTORY : O_PATH,
      );
      try {
        return entryOf(parsed.names.at(-1) ?? "/", fstatSync(descriptor));
      } finally {
        closeSync(descriptor);
      }
    });
  }

  /** Whether there is a directory at a path. */
  isDirectory(path: string): boolean {
    try {
      return this.stat(path).type === "directory";
    } catch (thrown) {
      if (thrown instanceof AuroraError && thrown.code === "not-found") return false;
      throw thrown;
    }
  }

  /** Calls `take` with the content of a regular file, chunk by chunk. A chunk's memory is used again for the next. */
  read(path: string, take: (chunk: Uint8Array) => void): void {
    const parsed = parseVfsPath(path);
    this.#guard(parsed, "read", () => {
      const descriptor = this.#open(parsed.names, constants.O_RDONLY | FILE | slash(parsed));
      try {
        requireFile(parsed, fstatSync(descriptor));
        const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
        for (;;) {
          const length = readSync(descriptor, chunk, 0, chunk.length, null);
          if (length === 0) return;
          take(chunk.subarray(0, length));
        }
      } finally {
        closeSync(descriptor);
      }
    });
  }

  /**
   * Replaces a file, or creates it, with the directories above it: readers see the old content or the new, never a part. The
   * mode of an old file is kept. A symlink is followed while it stays inside, and is never replaced.
   *
   * @param isNew refuse where there is anything already (`exists`)
   * @param isDurable return only when content and name survive a power cut
   */
  async write(
    path: string,
    chunks: AsyncIterable<Uint8Array>,
    { isNew = false, isDurable = false }: { isNew?: boolean; isDurable?: boolean } = {},
  ): Promise<number> {
    const parsed = fileName(parseVfsPath(path), "write");
    return await this.#guardAsync(parsed, "write", async () => {
      const { directory, name } = this.#parent(parsed.names, isNew ? "keep" : "follow", true);
      const place = `/proc/self/fd/${directory}`;
      const temporary = `${place}/${TEMPORARY_PREFIX}${process.pid}.${randomHex(6)}`;
      try {
        const old = lstatSync(`${place}/${name}`, { throwIfNoEntry: false });
        if (old && isNew)
          throw new AuroraError("exists", `cannot write "${parsed.shown}": it exists already`);
        if (old) requireFile(parsed, old);
        const written = await fill(temporary, chunks, old ? old.mode & 0o777 : 0o640, isDurable);
        if (isNew) linkNew(temporary, `${place}/${name}`, parsed);
        else renameSync(temporary, `${place}/${name}`);
        if (isDurable) syncDescriptor(`${place}/.`);
        return written;
      } finally {
        unlinkIfThere(temporary);
        closeSync(directory);
      }
    });
  }

  /** Adds to the end of a file, or creates it. Each chunk is one write(2) at the end, whoever else appends. */
  async append(path: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    const parsed = fileName(parseVfsPath(path), "append to");
    return await this.#guardAsync(parsed, "append to", async () => {
      const { directory, name } = this.#parent(parsed.names, "follow", true);
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | FILE;
      try {
        const descriptor = openSync(`/proc/self/fd/${directory}/${name}`, flags, 0o640);
        try {
          const stat = fstatSync(descriptor);
          requireFile(parsed, stat);
          if (stat.nlink > 1)
            throw new AuroraError(
              "denied",
              `cannot append to "${parsed.shown}": it has another name, which may be outside`,
            );
          let written = 0;
          for await (const chunk of chunks) {
            writeFully(descriptor, chunk);
            written += chunk.length;
          }
          return written;
        } finally {
          closeSync(descriptor);
        }
      } finally {
        closeSync(directory);
      }
    });
  }

  /** Creates a directory and those above it. One that is there already is fine. */
  makeDirectory(path: string): void {
    const parsed = parseVfsPath(path);
    this.#guard(parsed, "create", () => closeSync(this.#openOrMake(parsed.names)));
  }

  /**
   * Removes a file, a symlink (not what it leads to), an empty directory, or with `isRecursive` a directory with all that is in
   * it.
   *
   * @throws {AuroraError} `invalid-path` for the root itself, `not-empty`
   */
  remove(path: string, isRecursive: boolean): void {
    const parsed = parseVfsPath(path);
    if (parsed.names.length === 0) throw new AuroraError("invalid-path", "cannot remove the pack's root");
    this.#guard(parsed, "remove", () => {
      const { directory, name } = this.#parent(parsed.names, "keep", false);
      try {
        const place = `/proc/self/fd/${directory}/${name}`;
        const isDirectory = lstatSync(place).isDirectory();
        if (!isDirectory && parsed.isDirectory)
          throw new AuroraError("not-a-directory", `cannot remove "${parsed.shown}": it is not a directory`);
        if (!isDirectory) unlinkSync(place);
        else if (isRecursive) removeBelow(directory, Buffer.from(name), 0);
        else rmdirSync(place);
      } finally {
        closeSync(directory);
      }
    });
  }

  /** Renames; what is at the new path is replaced where it is a file, unless `isNew`. */
  move(from: string, to: string, isNew: boolean): void {
    const [source, target] = [parseVfsPath(from), parseVfsPath(to)];
    for (const { names } of [source, target])
      if (names.length === 0) throw new AuroraError("invalid-path", "cannot move the pack's root");
    this.#guard(source, "move", () => {
      const old = this.#parent(source.names, "keep", false);
      try {
        lstatSync(`/proc/self/fd/${old.directory}/${old.name}`);
        this.#guard(target, "move to", () => {
          const next = this.#parent(target.names, "keep", true);
          const place = `/proc/self/fd/${next.directory}/${next.name}`;
          try {
            if (isNew && lstatSync(place, { throwIfNoEntry: false }))
              throw new AuroraError("exists", `cannot move to "${target.shown}": it exists already`);
            renameSync(`/proc/self/fd/${old.directory}/${old.name}`, place);
          } finally {
            closeSync(next.directory);
          }
        });
      } finally {
        closeSync(old.directory);
      }
    });
  }

  /** Copies a file; its content arrives whole or not at all. */
  async copy(from: string, to: string, isNew: boolean): Promise<number> {
    const source = parseVfsPath(from);
    const descriptor = this.#guard(source, "copy", () =>
      this.#open(source.names, constants.O_RDONLY | FILE | slash(source)),
    );
    try {
      requireFile(source, fstatSync(descriptor));
      return await this.write(to, readChunks(descriptor), { isNew });
    } finally {
      closeSync(descriptor);
    }
  }

  /** Everything below a directory, each with its depth, in the order of `list`. Symlinks are shown and not followed. */
  *walk(path: string): Generator<{ depth: number; entry: VfsEntry }> {
    const parsed = parseVfsPath(path);
    const root = this.#guard(parsed, "list", () =>
      this.#open(parsed.names, constants.O_RDONLY | constants.O_DIRECTORY),
    );
    yield* this.#walkOpen(parsed, root, 1);
  }

  *#walkOpen(path: VfsPath, directory: number, depth: number): Generator<{ depth: number; entry: VfsEntry }> {
    try {
      if (depth > MAX_DEPTH)
        throw new AuroraError(
          "too-large",
          `cannot list "${path.shown}": it is more than ${MAX_DEPTH} directories deep`,
        );
      for (const entry of entriesOf(directory)) {
        yield { depth, entry };
        if (entry.type !== "directory") continue;
        const inner = openIfDirectory(`/proc/self/fd/${directory}/${entry.name}`);
        if (inner !== undefined) yield* this.#walkOpen(path, inner, depth + 1);
      }
    } finally {
      closeSync(directory);
    }
  }

  /** What the pack's files take, and what its file system has: in bytes. */
  usage(): { files: number; used_bytes: number; total_bytes: number; free_bytes: number } {
    const seen = { files: 0, used_bytes: 0 };
    for (const { entry } of this.walk("/")) {
      if (entry.type !== "file") continue;
      seen.files++;
      seen.used_bytes += entry.size_bytes;
    }
    const { blocks, bavail, bsize } = statfsSync(`/proc/self/fd/${this.#root}/.`);
    return { ...seen, total_bytes: blocks * bsize, free_bytes: bavail * bsize };
  }

  #open(names: readonly string[], flags: number): number {
    return this.#resolve(this.#root, names, flags, 0);
  }

  #listOpen(descriptor: number): VfsEntry[] {
    try {
      return entriesOf(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }

  /**
   * The open directory of a path, and its last name in it. With "follow", a symlink at the last name is followed while it stays
   * inside, so that the name returned is never one.
   */
  #parent(
    names: readonly string[],
    links: "follow" | "keep",
    isMade: boolean,
    depth = 0,
  ): { directory: number; name: string } {
    const above = names.slice(0, -1);
    const name = names.at(-1) as string;
    const directory = isMade ? this.#openOrMake(above) : this.#open(above, O_PATH | constants.O_DIRECTORY);
    try {
      const place = `/proc/self/fd/${directory}/${name}`;
      if (links === "keep" || !lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink())
        return { directory, name };
    } catch (thrown) {
      closeSync(directory);
      throw thrown;
    }
    closeSync(directory);
    if (depth > 0) throw Object.assign(new Error("ELOOP"), { code: "ELOOP" });
    // The kernel says where the link leads, inside or not at all; the path of what it opened is then that of no link.
    const target = this.#open(names, O_PATH);
    try {
      return this.#parent(this.#namesOf(target), "follow", false, depth + 1);
    } finally {
      closeSync(target);
    }
  }

  /** The names, from the root on, of what a descriptor of something below it is. */
  #namesOf(descriptor: number): string[] {
    const root = readLinkOf(this.#root);
    const path = readLinkOf(descriptor);
    if (!path.startsWith(`${root}/`)) throw Object.assign(new Error("EXDEV"), { code: "EXDEV" });
    return path.slice(root.length + 1).split("/");
  }

  #openOrMake(names: readonly string[]): number {
    try {
      return this.#open(names, O_PATH | constants.O_DIRECTORY);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT" || names.length === 0) throw thrown;
    }
    const above = this.#openOrMake(names.slice(0, -1));
    try {
      mkdirSync(`/proc/self/fd/${above}/${names.at(-1)}`, 0o750);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
    } finally {
      closeSync(above);
    }
    return this.#open(names, O_PATH | constants.O_DIRECTORY);
  }

  #guard<T>(path: VfsPath, verb: string, work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      throw explain(thrown, path, verb);
    }
  }

  async #guardAsync<T>(path: VfsPath, verb: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      throw explain(thrown, path, verb);
    }
  }
}
