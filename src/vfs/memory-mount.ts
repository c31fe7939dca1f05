import { coded } from "./disk-root.ts";
import {
  findMemoryPlace,
  findNode,
  grown,
  isWithin,
  type MemoryDirectory,
  type MemoryFile,
  type MemoryNode,
  nodesBelow,
  requireReplaceable,
} from "./memory-tree.ts";
import { MemoryWatchers } from "./memory-watchers.ts";
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
import { guarded, intoItself, noLink, requireFileName, vfsError } from "./vfs-error.ts";
import { splitPath, type VfsPath } from "./vfs-path.ts";

/** How many files, directories and links a memory mount holds where nothing else is said. */
export const DEFAULT_MEMORY_ENTRIES = 65_536;
const FILE_MODE = 0o640;
const DIRECTORY_MODE = 0o750;

/**
 * Files in this process's memory, gone with it. It holds at most so many bytes and entries: one more is refused, and what
 * was there stays.
 */
export class MemoryMount implements Mount {
  readonly isReadOnly = false;
  readonly quota: Required<Quota>;
  readonly #root: MemoryDirectory;
  readonly #now: () => number;
  readonly #watchers = new MemoryWatchers();
  #bytes = 0;
  #entries = 0;
  /** What is being written and has no name yet. */
  #pendingBytes = 0;

  /**
   * @param sizeBytes how much all files together may hold
   * @param now milliseconds since 1970
   */
  constructor(sizeBytes: number, entries = DEFAULT_MEMORY_ENTRIES, now: () => number = Date.now) {
    this.quota = { bytes: sizeBytes, entries };
    this.#now = now;
    this.#root = { type: "directory", children: new Map(), mode: DIRECTORY_MODE, modifiedMs: now() };
  }

  [Symbol.dispose](): void {
    for (const node of [this.#root, ...nodesBelow(this.#root)]) this.#watchers.end(node);
    this.#root.children.clear();
    this.#bytes = this.#entries = 0;
  }

  readFile(path: VfsPath, limitBytes: number): Uint8Array {
    return guarded(path, "read", () => {
      const { bytes, sizeBytes } = this.#file(path);
      if (sizeBytes > limitBytes)
        throw vfsError("too-large", path, "read", `it has more than ${limitBytes} bytes`);
      return bytes.slice(0, sizeBytes);
    });
  }

  openFile(path: VfsPath): OpenFile {
    return guarded(path, "read", () => {
      // What is replaced or appended to meanwhile gets new bytes; these stay as they are.
      const { bytes, sizeBytes, mode } = this.#file(path);
      let position = 0;
      return {
        sizeBytes,
        mode,
        read: (buffer) => {
          const part = bytes.subarray(position, Math.min(sizeBytes, position + buffer.length));
          buffer.set(part);
          position += part.length;
          return part.length;
        },
        [Symbol.dispose]: () => {},
      };
    });
  }

  writeFile(path: VfsPath, bytes: Uint8Array, options: WriteOptions): void {
    using pending = this.createFile(path, options);
    pending.write(bytes);
    pending.commit();
  }

  createFile(path: VfsPath, options: WriteOptions): PendingFile {
    requireFileName(path, "write");
    return guarded(path, "write", () => {
      if (options.hasParents) this.#makeParents(path);
      this.#target(path, options);
      let content: Uint8Array = new Uint8Array(0);
      let size = 0;
      const release = () => {
        this.#pendingBytes -= size;
        size = 0;
      };
      return {
        write: (bytes) => {
          this.#requirePending(bytes.length, path, "write");
          content = grown(content, size, bytes, this.quota.bytes);
          size += bytes.length;
          this.#pendingBytes += bytes.length;
        },
        commit: () =>
          guarded(path, "write", () => {
            const { directory, name, node } = this.#target(path, options);
            const old = node?.type === "file" ? node : undefined;
            const added = size - (old?.sizeBytes ?? 0);
            this.#require(added, node ? 0 : 1, path, "write");
            if (node && !old) this.#drop(directory, name, node);
            const fresh = { bytes: content, sizeBytes: size, modifiedMs: this.#now() };
            if (old) Object.assign(old, fresh);
            else this.#add(directory, name, { type: "file", mode: options.mode ?? FILE_MODE, ...fresh });
            this.#bytes += added;
            release();
            if (old) this.#watchers.tell("change", directory, name, old);
          }),
        [Symbol.dispose]: release,
      };
    });
  }

  openLog(path: VfsPath, options: WriteOptions): OpenLog {
    requireFileName(path, "append to");
    return guarded(path, "append to", () => {
      if (options.hasParents) this.#makeParents(path);
      this.#target(path, options);
      let parts: Uint8Array[] = [];
      let size = 0;
      const release = () => {
        this.#pendingBytes -= size;
        size = 0;
        parts = [];
      };
      return {
        write: (bytes) => {
          this.#requirePending(bytes.length, path, "append to");
          parts.push(Uint8Array.from(bytes));
          size += bytes.length;
          this.#pendingBytes += bytes.length;
        },
        // Nothing else runs in between, so no lock is needed.
        commit: () =>
          guarded(path, "append to", () => {
            const { directory, name, node } = this.#target(path, options);
            this.#require(size, node ? 0 : 1, path, "append to");
            const file = node?.type === "file" ? node : this.#create(directory, name, options);
            file.bytes = grown(file.bytes, file.sizeBytes, Buffer.concat(parts), this.quota.bytes);
            file.sizeBytes += size;
            file.modifiedMs = this.#now();
            this.#bytes += size;
            release();
            this.#watchers.tell("change", directory, name, file);
          }),
        [Symbol.dispose]: release,
      };
    });
  }

  names(path: VfsPath): string[] {
    return guarded(path, "list", () => [...this.#directory(path).children.keys()]);
  }

  list(path: VfsPath): Entry[] {
    return guarded(path, "list", () => {
      const { children } = this.#directory(path);
      return [...children.keys()].toSorted().map((name) => entryOf(name, children.get(name) as MemoryNode));
    });
  }

  stat(path: VfsPath, isFollowing: boolean): Entry {
    return guarded(path, "look at", () => {
      const node = findNode(this.#root, path.relative, isFollowing ? "follow" : "keep", path.isDirectory);
      return entryOf(splitPath(path.relative).name || "/", node);
    });
  }

  makeDirectory(path: VfsPath, { hasParents }: { hasParents: boolean }): void {
    guarded(path, "create", () => {
      if (hasParents) {
        this.#makeAll(path, path.relative);
        return;
      }
      if (path.relative === ".") throw coded("EEXIST");
      const { directory, name, node } = findMemoryPlace(this.#root, path.relative, "keep");
      if (node) throw coded("EEXIST");
      this.#makeOne(path, directory, name);
    });
  }

  remove(path: VfsPath, { isRecursive }: { isRecursive: boolean }): void {
    guarded(path, "remove", () => {
      const { directory, name, node } = findMemoryPlace(this.#root, path.relative, "keep");
      if (!node) throw coded("ENOENT");
      if (path.isDirectory && node.type !== "directory")
        throw vfsError("not-a-directory", path, "remove", "it is not a directory");
      if (node.type === "directory" && node.children.size > 0 && !isRecursive) throw coded("ENOTEMPTY");
      this.#drop(directory, name, node);
    });
  }

  rename(from: VfsPath, to: VfsPath, { isNew, hasParents }: WriteOptions): void {
    guarded(from, "move", () => {
      const source = findMemoryPlace(this.#root, from.relative, "keep");
      const { node } = source;
      if (!node) throw coded("ENOENT");
      if ((from.isDirectory || to.isDirectory) && node.type !== "directory")
        throw vfsError("not-a-directory", from, "move", "it is not a directory");
      guarded(to, "move to", () => {
        if (hasParents) this.#makeParents(to);
        const target = findMemoryPlace(this.#root, to.relative, "keep");
        if (target.node && isNew) throw coded("EEXIST");
        if (target.node === node) return;
        if (node.type === "directory" && isWithin(node, target.directory)) throw intoItself(to, "move to");
        // What holds the old name cannot give way to it.
        if (target.node?.type === "directory" && isWithin(target.node, source.directory))
          throw coded("ENOTEMPTY");
        requireReplaceable(node, target.node);
        if (target.node) this.#drop(target.directory, target.name, target.node);
        source.directory.children.delete(source.name);
        target.directory.children.set(target.name, node);
        source.directory.modifiedMs = target.directory.modifiedMs = this.#now();
        this.#watchers.tell("rename", source.directory, source.name, node);
        this.#watchers.tell("rename", target.directory, target.name, node);
      });
    });
  }

  symlink(target: string, path: VfsPath): void {
    guarded(path, "create", () => {
      const { directory, name, node } = findMemoryPlace(this.#root, path.relative, "keep");
      if (node) throw coded("EEXIST");
      this.#require(0, 1, path, "create");
      this.#add(directory, name, { type: "symlink", target, mode: 0o777, modifiedMs: this.#now() });
    });
  }

  readLink(path: VfsPath): string {
    return guarded(path, "read the link", () => {
      const { node } = findMemoryPlace(this.#root, path.relative, "keep");
      if (!node) throw coded("ENOENT");
      if (node.type !== "symlink" || path.isDirectory) throw noLink(path);
      return node.target;
    });
  }

  setExecutable(path: VfsPath, isExecutable: boolean): void {
    guarded(path, "change the mode of", () => {
      const file = this.#file(path);
      file.mode = isExecutable ? file.mode | ((file.mode & 0o444) >> 2) : file.mode & ~0o111;
      const { directory, name } = findMemoryPlace(this.#root, path.relative, "follow");
      this.#watchers.tell("change", directory, name, file);
    });
  }

  usage(): Usage {
    let files = 0;
    for (const { type } of nodesBelow(this.#root)) if (type === "file") files++;
    return { bytes: this.#bytes, files, entries: this.#entries };
  }

  freeBytes(): number {
    return this.quota.bytes - this.#bytes;
  }

  hostPath(): undefined {
    return undefined;
  }

  watch(path: VfsPath): Watch {
    return guarded(path, "watch", () =>
      this.#watchers.watch(findNode(this.#root, path.relative, "follow", path.isDirectory)),
    );
  }

  #file(path: VfsPath): MemoryFile {
    const node = findNode(this.#root, path.relative, "follow", path.isDirectory);
    if (node.type === "directory") throw coded("EISDIR");
    return node as MemoryFile;
  }

  #directory(path: VfsPath): MemoryDirectory {
    const node = findNode(this.#root, path.relative, "follow", true);
    return node as MemoryDirectory;
  }

  /** Where a file is to be written: a file where there is something, and a link only where it is to be replaced. */
  #target(path: VfsPath, { isNew, isReplacing }: WriteOptions) {
    const place = findMemoryPlace(this.#root, path.relative, isNew || isReplacing ? "keep" : "follow");
    if (place.node && isNew) throw coded("EEXIST");
    if (place.node?.type === "directory") throw coded("EISDIR");
    return place;
  }

  #create(directory: MemoryDirectory, name: string, options: WriteOptions): MemoryFile {
    const file: MemoryFile = {
      type: "file",
      bytes: new Uint8Array(0),
      sizeBytes: 0,
      mode: options.mode ?? FILE_MODE,
      modifiedMs: this.#now(),
    };
    this.#add(directory, name, file);
    return file;
  }

  #makeParents(path: VfsPath): void {
    this.#makeAll(path, splitPath(path.relative).above);
  }

  #makeAll(path: VfsPath, relative: string): void {
    try {
      findNode(this.#root, relative, "follow", true);
      return;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    }
    this.#makeAll(path, splitPath(relative).above);
    const { directory, name, node } = findMemoryPlace(this.#root, relative, "keep");
    // A dangling link is there, so nothing can be made, and what it leads to is not.
    if (node) throw coded("ENOENT");
    this.#makeOne(path, directory, name);
  }

  #makeOne(path: VfsPath, directory: MemoryDirectory, name: string): void {
    this.#require(0, 1, path, "create");
    const modifiedMs = this.#now();
    this.#add(directory, name, { type: "directory", children: new Map(), mode: DIRECTORY_MODE, modifiedMs });
  }

  #add(directory: MemoryDirectory, name: string, node: MemoryNode): void {
    directory.children.set(name, node);
    directory.modifiedMs = this.#now();
    this.#entries++;
    this.#watchers.tell("rename", directory, name, node);
  }

  #drop(directory: MemoryDirectory, name: string, node: MemoryNode): void {
    const gone = node.type === "directory" ? [node, ...nodesBelow(node)] : [node];
    for (const each of gone) if (each.type === "file") this.#bytes -= each.sizeBytes;
    this.#entries -= gone.length;
    directory.children.delete(name);
    directory.modifiedMs = this.#now();
    this.#watchers.tell("rename", directory, name, node);
    for (const each of gone) this.#watchers.end(each);
  }

  /** What is not committed yet counts as well: nobody gets around the limit by writing slowly, or many files at once. */
  #requirePending(bytes: number, path: VfsPath, verb: string): void {
    if (this.#pendingBytes + bytes > this.quota.bytes) throw exceeded(path, verb);
  }

  #require(bytes: number, entries: number, path: VfsPath, verb: string): void {
    if (
      (bytes > 0 && this.#bytes + bytes > this.quota.bytes) ||
      (entries > 0 && this.#entries + entries > this.quota.entries)
    )
      throw exceeded(path, verb);
  }
}

function exceeded(path: VfsPath, verb: string) {
  return vfsError("quota-exceeded", path, verb, "the memory mount is full");
}

function entryOf(name: string, node: MemoryNode): Entry {
  return {
    name,
    type: node.type,
    sizeBytes: node.type === "file" ? node.sizeBytes : 0,
    modifiedMs: node.modifiedMs,
    mode: node.mode,
  };
}
