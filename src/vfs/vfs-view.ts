import { type Entry, type Mount } from "./mount.ts";
import { type VfsPath } from "./vfs-path.ts";

/** What walking and copying need of a namespace. Paths may hold names that are no UTF-8: they come from the disk. */
export type VfsView = {
  listAt: (path: VfsPath) => Entry[];
  readLinkAt: (path: VfsPath) => string;
  /** The mount of a path and the path in it, for reading. */
  locateAt: (path: VfsPath) => { mount: Mount; path: VfsPath };
  /** The same for writing. Throws `read-only`. */
  locateWritable: (path: VfsPath, verb: string) => { mount: Mount; path: VfsPath };
};
