import {
  chmodSync,
  constants,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from "node:fs";

import { toAuroraError } from "../errors.ts";
import { LINK_NAMES, linkTarget } from "./tree-record.ts";

/**
 * Copies a stored tree so that a script may write to the copy: directories 755, files 755 or 644 by their execute bit. File
 * content is shared with the original until it is written to, where the file system can (FICLONE). The links to logs and
 * data that the store added are left out. Not durable.
 *
 * @param from a stored tree: nothing else, since what is in it is trusted to be a pack
 * @param to does not exist yet
 */
export function copyTreeWritable(from: string, to: string): void {
  try {
    copyDirectory(from, to, true);
  } catch (thrown) {
    throw toAuroraError(thrown);
  }
}

function copyDirectory(from: string, to: string, isTop: boolean): void {
  mkdirSync(to, 0o755);
  chmodSync(to, 0o755);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = `${from}/${entry.name}`;
    const copy = `${to}/${entry.name}`;
    if (entry.isDirectory()) copyDirectory(source, copy, false);
    else if (entry.isSymbolicLink()) {
      const target = readlinkSync(source);
      if (!isTop || !isAddedLink(entry.name, target)) symlinkSync(target, copy);
    } else {
      copyFileSync(source, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      chmodSync(copy, (statSync(source).mode & 0o111) === 0 ? 0o644 : 0o755);
    }
  }
}

/** A link that leads out of the tree can only be one that the store added: a pack holds none. */
function isAddedLink(name: string, target: string): boolean {
  const packId = target.slice(linkTarget(name, "").length);
  return (
    LINK_NAMES.some((known) => known === name) && target === linkTarget(name, packId) && !packId.includes("/")
  );
}
