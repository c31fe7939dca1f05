import { type VfsPath } from "./vfs-path.ts";

type EntryType = "file" | "directory" | "symlink" | "other";

/** What is at a path. */
export type Entry = {
  name: string;
  type: EntryType;
  /** 0 for what is no file. */
  sizeBytes: number;
  modifiedMs: number;
  /** Permission bits. */
  mode: number;
};

export type Usage = {
  /** The sum of all file sizes. */
  bytes: number;
  /** Regular files. */
  files: number;
  /** Files, directories and links, without the root itself. */
  entries: number;
};

/** At most so much; what is left out is not limited. As for inodes, directories and links are entries too. */
export type Quota = { bytes?: number; entries?: number };

export type WriteOptions = {
  /** Refuse where there is anything already (`exists`). */
  isNew?: boolean;
  /** Return only when content and name survive a power cut. */
  isDurable?: boolean;
  /** Create the directories above it. */
  hasParents?: boolean;
  /** Take the place of whatever has the name, as rename(2) does, a link too, instead of following it; not of a directory. */
  isReplacing?: boolean;
  /** Change the file in place instead of replacing it: less work, but a reader may see a part. */
  isInPlace?: boolean;
  /** Permission bits of a new file. */
  mode?: number;
};

/** A regular file that is open for reading. */
export type OpenFile = Disposable & {
  readonly sizeBytes: number;
  readonly mode: number;
  /** Fills the buffer from the position on. Returns 0 at the end. */
  read: (buffer: Uint8Array) => number;
  /** Where there is one: for what the kernel can do by itself. */
  readonly descriptor?: number;
};

/** A file that is being written. It gets its name at the commit; disposed without one, it leaves nothing. */
export type PendingFile = Disposable & {
  write: (bytes: Uint8Array) => void;
  commit: () => void;
  /** For what the kernel can write by itself. */
  readonly descriptor?: number;
  /** Refuses so many bytes where they would be more than the quota allows: `write` and `commit` do by themselves. */
  requireRoom?: (sizeBytes: number) => void;
};

/** A file that records are added to, locked against others who append. Disposed without a commit, it is as it was. */
export type OpenLog = Disposable & { write: (bytes: Uint8Array) => void; commit: () => void };

/**
 * `rename`: a name came or went. `change`: its content or mode did. `overflow`: there were more changes than could be told.
 * `name` is null for the watched thing itself.
 */
export type WatchEvent = { type: "rename" | "change" | "overflow"; name: string | null };

/** `events` ends when what is watched is gone, or after `stop`. */
export type Watch = { events: AsyncGenerator<WatchEvent>; stop: () => void };

/**
 * One file system in a pack's namespace. Paths are relative to it and hold neither "." nor ".."; all functions throw
 * `AuroraError` with the path as the user knows it.
 */
export type Mount = Disposable & {
  readonly isReadOnly: boolean;
  /** The content of a regular file of at most `limitBytes`, at once. */
  readFile: (path: VfsPath, limitBytes: number) => Uint8Array;
  openFile: (path: VfsPath) => OpenFile;
  /** Replaces or creates a file with all of its content. */
  writeFile: (path: VfsPath, bytes: Uint8Array, options: WriteOptions) => void;
  createFile: (path: VfsPath, options: WriteOptions) => PendingFile;
  /** Undefined while somebody else holds the lock. */
  openLog: (path: VfsPath, options: WriteOptions) => OpenLog | undefined;
  /** The names in a directory, in no order. */
  names: (path: VfsPath) => string[];
  /** Sorted by name, in the order of UTF-16 code units. */
  list: (path: VfsPath) => Entry[];
  /** `isFollowing`: a symlink at the end is followed while it stays inside. */
  stat: (path: VfsPath, isFollowing: boolean) => Entry;
  makeDirectory: (path: VfsPath, options: { hasParents: boolean; isDurable: boolean }) => void;
  remove: (path: VfsPath, options: { isRecursive: boolean; isDurable: boolean }) => void;
  rename: (from: VfsPath, to: VfsPath, options: WriteOptions) => void;
  symlink: (target: string, path: VfsPath, isDurable: boolean) => void;
  readLink: (path: VfsPath) => string;
  setExecutable: (path: VfsPath, isExecutable: boolean) => void;
  usage: () => Usage;
  /** Bytes that are free for it, whatever its quota. */
  freeBytes: () => number;
  readonly quota: Quota;
  /** A path of the machine that names the same thing now; undefined where nothing has one. */
  hostPath: (path: VfsPath) => string | undefined;
  /** Changes from now on: of what the path names now, wherever it is moved. */
  watch: (path: VfsPath) => Watch;
};
