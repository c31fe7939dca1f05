import { AuroraError } from "../errors.ts";
import { type Copied, type CopyOptions, copySteps, finish, requireReplaceable } from "./copy.ts";
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
  type Watch,
  type WriteOptions,
} from "./mount.ts";
import { Mounted, openDirectory, withMounts } from "./open-mounts.ts";
import { refusal, requireInside, vfsError } from "./vfs-error.ts";
import { childPath, MAX_PATH_BYTES, parseVfsPath, splitPath, type VfsPath } from "./vfs-path.ts";
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
  readonly #rootMount: Mount;
  #mounts: readonly Mounted[];

  /** Takes over the root. Use `openVfs`. */
  constructor(root: Mount, mounts: readonly MountSpec[]) {
    this.#rootMount = root;
    this.#root = new Mounted(parseVfsPath("/"), undefined, root);
    try {
      this.#mounts = withMounts(mounts, []);
    } catch (thrown) {
      root[Symbol.dispose]();
      throw thrown;
    }
  }

  [Symbol.dispose](): void {
    for (const mounted of [...this.#mounts, this.#root]) mounted[Symbol.dispose]();
  }

  /** Adds a mount at run time. Throws as `mountTable` does, and where it cannot be opened; then it is not added. */
  mount(spec: MountSpec): void {
    const mounts = withMounts([spec], this.#mounts);
    void mounts.find((mounted) => mounted.spec === spec)?.mount;
    this.#mounts = mounts;
  }

  /** What is mounted, the root first. */
  mounts(): MountInfo[] {
    return [this.#root, ...this.#mounts.toSorted((a, b) => (a.at.shown < b.at.shown ? -1 : 1))].map(
      (mounted) => ({
        path: mounted.at.shown,
        kind: mounted.spec?.kind ?? "data",
        mode: mounted.isReadOnly ? "ro" : "rw",
        spec: mounted.spec,
        space: () => {
          const { mount } = mounted;
          return { usage: mount.usage(), freeBytes: mount.freeBytes(), quota: mount.quota };
        },
      }),
    );
  }

  /**
   * The whole content of a file.
   *
   * @throws {AuroraError} `not-found`, `is-a-directory`, `not-regular`, `escape-refused`, `too-large` for more than `limitBytes`
   */
  read(path: string, limitBytes = MAX_READ_BYTES): Uint8Array {
    const parsed = parseVfsPath(path);
    // Most packs mount nothing, and this is what they do most.
    if (this.#mounts.length === 0) return this.#rootMount.readFile(parsed, limitBytes);
    const { mounted, path: inner } = locate(this.#mounts, this.#root, parsed);
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
    if (added.length === 0) return mounted.mount.list(inner);
    const entries = withVirtual(added, () => mounted.mount.list(inner));
    const hidden = new Set(added);
    const all = [
      ...entries.filter(({ name }) => !hidden.has(name)),
      ...added.map((name) => this.#statMountPoint(childPath(path, name))),
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
  remove(path: string, isRecursive = false, isDurable = false): void {
    const { mounted, path: inner } = this.#movable(path, "remove");
    mounted.mount.remove(inner, { isRecursive, isDurable });
  }

  /**
   * Renames. What is at the new path is replaced as rename(2) does, unless `isNew`. From one mount to another it is a copy and
   * then a removal, which others can see half done; it fails where rename(2) would.
   */
  rename(from: string, to: string, options: WriteOptions = {}): void {
    finish(this.renameSteps(from, to, options));
  }

  /** The same step by step: a move from one mount to another may take long. */
  *renameSteps(from: string, to: string, options: WriteOptions = {}): Generator<void, void> {
    const source = this.#movable(from, "move");
    const target = this.#movable(to, "move to");
    if (source.mounted === target.mounted) {
      source.mounted.mount.rename(source.path, target.path, options);
      return;
    }
    const [start, end] = [parseVfsPath(from), parseVfsPath(to)];
    requireReplaceable(entryAt(source), start, end, options.isNew === true, () =>
      ifFound(() => ({
        ...entryAt(target),
        isEmpty: () => target.mounted.mount.names(target.path).length === 0,
      })),
    );
    yield* copySteps({ origin: this, vfs: this }, start, end, { ...options, isMove: true });
    source.mounted.mount.remove(source.path, { isRecursive: true, isDurable: options.isDurable === true });
  }

  /** Copies a file or, with `isRecursive`, a tree. Files arrive whole; content is shared where the file system can. */
  copy(from: string, to: string, options: CopyOptions = {}): Copied {
    return finish(this.copySteps(from, to, options));
  }

  /** The same step by step. Left before its end, it removes what it has made. */
  copySteps(from: string, to: string, options: CopyOptions = {}): Generator<void, Copied> {
    return copySteps({ origin: this, vfs: this }, parseVfsPath(from), parseVfsPath(to), options);
  }

  /** Copies what is in a directory of the machine into one of ours, which is created. Links must stay inside. */
  importDirectory(directory: string, to: string, options: CopyOptions = {}): Copied {
    return finish(this.importSteps(directory, to, options));
  }

  /** The same step by step, as `copySteps`. */
  *importSteps(directory: string, to: string, options: CopyOptions = {}): Generator<void, Copied> {
    const target = parseVfsPath(to);
    using origin = new SyncVfs(
      openDirectory("/", directory, { isReadOnly: true, hasOwnFilesOnly: false }),
      [],
    );
    return yield* copySteps({ origin, vfs: this }, parseVfsPath("/"), target, {
      ...options,
      isRecursive: true,
    });
  }

  /**
   * Creates a symlink that stays inside.
   *
   * @throws {AuroraError} `escape-refused` for an absolute target and one that climbs above the root of its mount
   */
  symlink(target: string, path: string, isDurable = false): void {
    const { mounted, path: inner } = this.#target(path, "create", "EEXIST");
    if (target === "" || target.includes("\0") || !target.isWellFormed())
      throw vfsError("invalid-path", inner, "create", "no link can say that");
    if (Buffer.byteLength(target) > MAX_PATH_BYTES)
      throw vfsError("invalid-path", inner, "create", `a link holds at most ${MAX_PATH_BYTES} bytes`);
    requireInside(target, inner);
    mounted.mount.symlink(target, inner, isDurable);
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

  /** Changes from now on, of what is at the path now. */
  watch(path: string): Watch {
    const { mounted, path: inner } = this.#locate(path);
    return mounted.mount.watch(inner);
  }

  /** The mount of a path and the path in it, for reading. */
  locateAt(path: VfsPath): { mount: Mount; path: VfsPath } {
    const { mounted, path: inner } = locate(this.#mounts, this.#root, path);
    return { mount: mounted.mount, path: inner };
  }

  /** The same for writing. Throws `read-only`. */
  locateWritable(path: VfsPath, verb: string): { mount: Mount; path: VfsPath } {
    const { mounted, path: inner } = locate(this.#mounts, this.#root, path);
    if (mounted.isReadOnly) throw refusal("EROFS", path, verb);
    return { mount: mounted.mount, path: inner };
  }

  #locate(path: string): Located<Mounted> {
    const parsed = parseVfsPath(path);
    return this.#mounts.length === 0
      ? { mounted: this.#root, path: parsed }
      : locate(this.#mounts, this.#root, parsed);
  }

  #writable(path: string, verb: string): Located<Mounted> {
    const located = this.#locate(path);
    if (located.mounted.isReadOnly) throw refusal("EROFS", located.path, verb);
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

  /** What cannot be opened is shown all the same: it is a directory, and its use says what is wrong. */
  #statMountPoint(path: VfsPath): Entry {
    try {
      return this.#statAt(path, true);
    } catch (thrown) {
      if (!(thrown instanceof AuroraError)) throw thrown;
      return { ...VIRTUAL, name: splitPath(path.relative).name };
    }
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

/** What has a name itself, a link too where the path is written with a slash. */
function entryAt({ mounted, path }: Located<Mounted>): Entry {
  return mounted.mount.stat({ ...path, isDirectory: false }, false);
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
