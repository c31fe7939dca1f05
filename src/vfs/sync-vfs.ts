import { copyAny, type CopyOptions } from "./copy.ts";
import {
  isAtOrBelow,
  locate,
  type Located,
  type MountInfo,
  mountNamesIn,
  type MountSpec,
} from "./mount-table.ts";
import {
  type Entry,
  type Mount,
  type OpenFile,
  type OpenLog,
  type PendingFile,
  type WriteOptions,
} from "./mount.ts";
import { type Mounted, openDirectory, openMounts, unmount } from "./open-mounts.ts";
import { refusal, requireInside, vfsError } from "./vfs-error.ts";
import { childPath, parseVfsPath, splitPath, type VfsPath } from "./vfs-path.ts";
import { type VfsView } from "./vfs-view.ts";
import { walk, type WalkEntry } from "./walk.ts";

/** What `read` takes at most where nothing else is said; larger files are read as streams. In bytes. */
const MAX_READ_BYTES = 1024 ** 3;

/**
 * A pack's namespace: its root and what is mounted in it. Each call is done when it returns; each is confined by itself, so
 * that whatever others do between two calls leads nowhere. A path is as `parseVfsPath` says.
 */
export class SyncVfs implements Disposable, VfsView {
  readonly #root: Mounted;
  readonly #mounts: Mounted[];

  /** Takes over the root. Use `openVfs`. */
  constructor(root: Mount, mounts: readonly MountSpec[]) {
    this.#root = { at: parseVfsPath("/"), spec: undefined, mount: root };
    try {
      this.#mounts = openMounts(mounts);
    } catch (thrown) {
      root[Symbol.dispose]();
      throw thrown;
    }
  }

  [Symbol.dispose](): void {
    unmount(this.#mounts);
    this.#root.mount[Symbol.dispose]();
  }

  /** Adds a mount at run time. Throws as `mountTable` does, and what the mount itself throws. */
  mount(spec: MountSpec): void {
    openMounts([spec], this.#mounts);
  }

  /** What is mounted, the root first. */
  mounts(): MountInfo[] {
    return [this.#root, ...this.#mounts.toSorted((a, b) => (a.at.shown < b.at.shown ? -1 : 1))].map(
      ({ at, spec, mount }) => ({
        path: at.shown,
        kind: spec?.kind ?? "data",
        mode: mount.isReadOnly ? "ro" : "rw",
        spec,
        mount,
      }),
    );
  }

  /**
   * The whole content of a file.
   *
   * @throws {AuroraError} `not-found`, `is-a-directory`, `not-regular`, `escape-refused`, `too-large` for more than `limitBytes`
   */
  read(path: string, limitBytes = MAX_READ_BYTES): Uint8Array {
    const { mounted, path: inner } = this.#locate(path);
    return mounted.mount.readFile(inner, limitBytes);
  }

  /** The content as text; bytes that are no UTF-8 become U+FFFD. */
  readText(path: string): string {
    return new TextDecoder().decode(this.read(path));
  }

  open(path: string): OpenFile {
    const { mounted, path: inner } = this.#locate(path);
    return mounted.mount.openFile(inner);
  }

  /**
   * Replaces or creates a file: readers see the old content or the new. Not synced unless `isDurable`.
   *
   * @throws {AuroraError} `exists` with `isNew`, `read-only`, `quota-exceeded`, `no-space`: the old content stays
   */
  write(path: string, content: string | Uint8Array, options: WriteOptions = {}): void {
    const { mounted, path: inner } = this.#target(path, "write");
    mounted.mount.writeFile(inner, bytesOf(content), options);
  }

  /** A file to be written piece by piece; it takes its name at the commit. */
  create(path: string, options: WriteOptions = {}): PendingFile {
    const { mounted, path: inner } = this.#target(path, "write");
    return mounted.mount.createFile(inner, options);
  }

  /** A file to add to. Undefined while somebody else is adding. */
  openLog(path: string, options: WriteOptions = {}): OpenLog | undefined {
    const { mounted, path: inner } = this.#target(path, "append to");
    return mounted.mount.openLog(inner, options);
  }

  /** The names in a directory, in no order: the cheapest look. */
  names(path: string): string[] {
    return this.#namesAt(parseVfsPath(path));
  }

  /** What is in a directory, sorted by name. */
  list(path: string): Entry[] {
    return this.listAt(parseVfsPath(path));
  }

  /** As `list`, for a path that came from the disk and may hold names that are no UTF-8. */
  listAt(path: VfsPath): Entry[] {
    const added = mountNamesIn(this.#mounts, path);
    const { mounted, path: inner } = locate(this.#mounts, this.#root, path);
    const entries = withVirtual(added, () => mounted.mount.list(inner));
    const hidden = new Set(added);
    const all = [
      ...entries.filter(({ name }) => !hidden.has(name)),
      ...added.map((name) => this.#statAt(childPath(path, name), true)),
    ];
    return all.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  /** What is at a path; a symlink at its end is followed while it stays inside, unless `isFollowing` is false. */
  stat(path: string, isFollowing = true): Entry {
    return this.#statAt(parseVfsPath(path), isFollowing);
  }

  /** What is at a path, or undefined where there is nothing. */
  statIfThere(path: string, isFollowing = true): Entry | undefined {
    return ifFound(() => this.stat(path, isFollowing));
  }

  /** Everything below a directory, a directory before what is in it. Links are not followed. */
  walk(path: string): Generator<WalkEntry> {
    return walk(this, parseVfsPath(path));
  }

  /** Creates a directory; with `hasParents` also those above it, and one that is there is fine. */
  makeDirectory(path: string, { hasParents = false, isDurable = false } = {}): void {
    const parsed = parseVfsPath(path);
    if (this.#isMountOrAbove(parsed)) {
      if (hasParents) return;
      throw refusal("EEXIST", parsed, "create");
    }
    const { mounted, path: inner } = this.#writable(path, "create");
    mounted.mount.makeDirectory(inner, { hasParents, isDurable });
  }

  /**
   * Removes a file, a symlink (not what it leads to), an empty directory, or with `isRecursive` a directory with all that is
   * in it.
   *
   * @throws {AuroraError} `invalid-path` for the root, `conflict` for a mount point or what holds one, `not-empty`
   */
  remove(path: string, isRecursive = false): void {
    const { mounted, path: inner } = this.#movable(path, "remove");
    mounted.mount.remove(inner, isRecursive);
  }

  /**
   * Renames. What is at the new path is replaced as rename(2) does, unless `isNew`. From one mount to another it is a copy and
   * then a removal, which others can see half done.
   */
  rename(from: string, to: string, options: WriteOptions = {}): void {
    const source = this.#movable(from, "move");
    const target = this.#movable(to, "move to");
    if (source.mounted === target.mounted) {
      source.mounted.mount.rename(source.path, target.path, options);
      return;
    }
    copyAny({ origin: this, vfs: this }, parseVfsPath(from), parseVfsPath(to), { ...options, isMove: true });
    source.mounted.mount.remove(source.path, true);
  }

  /** Copies a file or, with `isRecursive`, a tree. Files arrive whole; content is shared where the file system can. */
  copy(from: string, to: string, options: CopyOptions = {}): { bytes: number; files: number } {
    return copyAny({ origin: this, vfs: this }, parseVfsPath(from), parseVfsPath(to), options);
  }

  /** Copies what is in a directory of the machine into one of ours, which is created. Links must stay inside. */
  importDirectory(
    directory: string,
    to: string,
    options: CopyOptions = {},
  ): { bytes: number; files: number } {
    const target = parseVfsPath(to);
    using origin = new SyncVfs(
      openDirectory("/", directory, { isReadOnly: true, hasOwnFilesOnly: false }),
      [],
    );
    return copyAny({ origin, vfs: this }, parseVfsPath("/"), target, { ...options, isRecursive: true });
  }

  /**
   * Creates a symlink that stays inside.
   *
   * @throws {AuroraError} `escape-refused` for an absolute target and one that climbs above the root of its mount
   */
  symlink(target: string, path: string): void {
    const { mounted, path: inner } = this.#target(path, "create", "EEXIST");
    if (target === "" || target.includes("\0") || !target.isWellFormed())
      throw vfsError("invalid-path", inner, "create", "no link can say that");
    requireInside(target, inner);
    mounted.mount.symlink(target, inner);
  }

  readLink(path: string): string {
    return this.readLinkAt(parseVfsPath(path));
  }

  readLinkAt(path: VfsPath): string {
    const { mounted, path: inner } = locate(this.#mounts, this.#root, path);
    return mounted.mount.readLink(inner);
  }

  /** Sets or clears the execute bits of a file. */
  setExecutable(path: string, isExecutable: boolean): void {
    const { mounted, path: inner } = this.#writable(path, "change the mode of");
    mounted.mount.setExecutable(inner, isExecutable);
  }

  /** Where a file lies on the machine now, for a program that must be given a name. Undefined where it lies in memory. */
  hostPath(path: string): string | undefined {
    const { mounted, path: inner } = this.#locate(path);
    return mounted.mount.hostPath(inner);
  }

  /** The mount of a path and the path in it, for reading. */
  locateAt(path: VfsPath): { mount: Mount; path: VfsPath } {
    const { mounted, path: inner } = locate(this.#mounts, this.#root, path);
    return { mount: mounted.mount, path: inner };
  }

  /** The same for writing. Throws `read-only`. */
  locateWritable(path: VfsPath, verb: string): { mount: Mount; path: VfsPath } {
    const { mount, path: inner } = this.locateAt(path);
    if (mount.isReadOnly) throw refusal("EROFS", path, verb);
    return { mount, path: inner };
  }

  #locate(path: string): Located<Mounted> {
    const parsed = parseVfsPath(path);
    return this.#mounts.length === 0
      ? { mounted: this.#root, path: parsed }
      : locate(this.#mounts, this.#root, parsed);
  }

  #writable(path: string, verb: string): Located<Mounted> {
    const located = this.#locate(path);
    if (located.mounted.mount.isReadOnly) throw refusal("EROFS", located.path, verb);
    return located;
  }

  /** Where something that is no directory is to be. What holds a mount is a directory, also where the disk has none. */
  #target(path: string, verb: string, taken: "EISDIR" | "EEXIST" = "EISDIR"): Located<Mounted> {
    const located = this.#writable(path, verb);
    if (this.#mounts.length > 0 && mountNamesIn(this.#mounts, parseVfsPath(path)).length > 0)
      throw refusal(taken, located.path, verb);
    return located;
  }

  #movable(path: string, verb: string): Located<Mounted> {
    const parsed = parseVfsPath(path);
    if (parsed.relative === ".") throw vfsError("invalid-path", parsed, verb, "it is the pack's root");
    if (this.#isMountOrAbove(parsed))
      throw vfsError("conflict", parsed, verb, "something is mounted there or below it");
    return this.#writable(path, verb);
  }

  #isMountOrAbove(path: VfsPath): boolean {
    return this.#mounts.some(({ at }) => isAtOrBelow(at.relative, path.relative));
  }

  #statAt(path: VfsPath, isFollowing: boolean): Entry {
    const { mounted, path: inner } = locate(this.#mounts, this.#root, path);
    const name = splitPath(path.relative).name || "/";
    if (mountNamesIn(this.#mounts, path).length === 0)
      return { ...mounted.mount.stat(inner, isFollowing), name };
    // A directory that is there because something is mounted below it, and perhaps on the disk as well.
    const entry = ifFound(() => mounted.mount.stat(inner, isFollowing));
    return { ...(entry ?? VIRTUAL), name };
  }

  #namesAt(path: VfsPath): string[] {
    const { mounted, path: inner } = locate(this.#mounts, this.#root, path);
    const added = mountNamesIn(this.#mounts, path);
    if (added.length === 0) return mounted.mount.names(inner);
    return [...new Set([...withVirtual(added, () => mounted.mount.names(inner)), ...added])];
  }
}

const VIRTUAL = { type: "directory", sizeBytes: 0, modifiedMs: 0, mode: 0o555 } as const;

function withVirtual<T>(added: readonly string[], look: () => T[]): T[] {
  return added.length === 0 ? look() : (ifFound(look) ?? []);
}

function ifFound<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (thrown) {
    if ((thrown as { code?: string }).code === "not-found") return undefined;
    throw thrown;
  }
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? Buffer.from(content) : content;
}
