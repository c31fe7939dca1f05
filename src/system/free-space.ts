import { statfsSync } from "node:fs";

/** Free bytes of the file system that a path is on; undefined where it has no size that it could tell, as ramfs. */
export function freeSpace(path: string): number | undefined {
  const { blocks, bavail, bsize } = statfsSync(path);
  return blocks === 0 ? undefined : bavail * bsize;
}
