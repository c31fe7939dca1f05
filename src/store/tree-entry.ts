/** One name in a pack, as the digest sees it. Keys are written as they stand in the tree's record. */
export type TreeEntry = {
  /** Relative to the pack, without a leading "./" or a trailing slash. */
  path: string;
  type: "file" | "directory" | "symlink";
  /** Normalised: 755 for directories and for files with any execute bit, 644 for other files, 777 for symlinks. */
  mode: 0o755 | 0o644 | 0o777;
  /** 0 for what is no file. */
  size_bytes: number;
  /** 64 hex digits; null for what is no file. */
  sha256: string | null;
  /** What a symlink says; null for what is none. */
  target: string | null;
};

/** A pack that was read once from beginning to end. */
export type ScannedTree = {
  /** `sha256:<hex>`. */
  digest: string;
  /** Regular files. */
  files: number;
  /** The sum of their sizes. */
  bytes: number;
  /** In the order of the digest: each directory's names sorted by their bytes, its content right behind it. */
  entries: TreeEntry[];
};

/** Reading and copying a pack may take long: how to follow it and how to stop it. */
export type ReadOptions = {
  /** Ends the work with `interrupted` soon after it aborts. */
  signal?: AbortSignal | undefined;
  /** Called now and then, and once at the end. */
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
};
