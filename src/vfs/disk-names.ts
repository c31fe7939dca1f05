import { closeSync, renameSync, symlinkSync, unlinkSync } from "node:fs";

import { renameNew } from "../system/renameat2.ts";
import { type DiskRoot, findPlace, giveLinkToOwner, makeParents, syncUpwards } from "./disk-root.ts";
import { removeBelow, removeEmpty } from "./disk-scan.ts";
import { type WriteOptions } from "./mount.ts";
import { encodeName } from "./raw-name.ts";
import { readLinkIfOne, terminated } from "./resolve.ts";
import { guarded, intoItself, noLink, refusal, vfsError } from "./vfs-error.ts";
import { type VfsPath } from "./vfs-path.ts";

/* What is done to a name itself, and not to what it leads to. */

/** Removes a name, and with `isRecursive` all that is below it. */
export function removeName(
  root: DiskRoot,
  path: VfsPath,
  { isRecursive, isDurable }: { isRecursive: boolean; isDurable: boolean },
  nowMs: number,
): void {
  guarded(path, "remove", () => {
    const place = findPlace(root, path.relative, "keep");
    try {
      const { directory, name, old } = place;
      if (!old) throw refusal("ENOENT", path, "remove");
      if (old.type !== "directory" && path.isDirectory)
        throw vfsError("not-a-directory", path, "remove", "it is not a directory");
      if (old.type !== "directory") unlinkSync(place.path);
      else if (isRecursive) removeBelow(directory, name);
      else removeEmpty(directory, name, nowMs);
      if (isDurable) syncUpwards(root, directory);
    } finally {
      closeSync(place.directory);
    }
  });
}

/** One rename(2). */
export function moveName(
  root: DiskRoot,
  from: VfsPath,
  to: VfsPath,
  { isNew = false, isDurable = false, hasParents = false }: WriteOptions,
): void {
  guarded(from, "move", () => {
    const source = findPlace(root, from.relative, "keep");
    try {
      if (!source.old) throw refusal("ENOENT", from, "move");
      if ((from.isDirectory || to.isDirectory) && source.old.type !== "directory")
        throw vfsError("not-a-directory", from, "move", "it is not a directory");
      guarded(to, "move to", () => {
        if (hasParents) makeParents(root, { path: to, verb: "move to", isDurable });
        const target = findPlace(root, to.relative, "keep");
        try {
          // A name that moves while somebody counts might be seen in neither place.
          root.accounting.exclusively(to, "move to", () => renamePlace(source.path, target.path, isNew, to));
          if (isDurable) for (const { directory } of [target, source]) syncUpwards(root, directory);
        } finally {
          closeSync(target.directory);
        }
      });
    } finally {
      closeSync(source.directory);
    }
  });
}

function renamePlace(from: string | Buffer, to: string | Buffer, isNew: boolean, path: VfsPath): void {
  try {
    if (isNew) renameNew(terminated(from), terminated(to));
    else renameSync(from, to);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "EINVAL") throw intoItself(path, "move to");
    if (code === "EXDEV")
      throw vfsError(
        "not-supported",
        path,
        "move to",
        "it is on another file system: copy it and remove the old",
      );
    // rename(2) may say either of a directory with something in it.
    throw code === "EEXIST" && !isNew ? refusal("ENOTEMPTY", path, "move to") : thrown;
  }
}

/** Creates a symlink with this text. */
export function makeLink(root: DiskRoot, target: string, path: VfsPath, isDurable: boolean): void {
  guarded(path, "create", () => {
    const place = findPlace(root, path.relative, "keep");
    try {
      if (place.old) throw refusal("EEXIST", path, "create");
      root.accounting.grow({ bytes: 0, entries: 1 }, path, "create", () =>
        symlinkSync(encodeName(target), place.path),
      );
      giveLinkToOwner(root, place.path);
      if (isDurable) syncUpwards(root, place.directory);
    } finally {
      closeSync(place.directory);
    }
  });
}

/** What a symlink says. */
export function readLinkOf(root: DiskRoot, path: VfsPath): string {
  return guarded(path, "read the link", () => {
    const place = findPlace(root, path.relative, "keep");
    try {
      // "link/" asks for what it leads to, and that is no link.
      if (place.old && (path.isDirectory || place.old.type !== "symlink")) throw noLink(path);
      const target = readLinkIfOne(place.path);
      if (target === undefined) throw place.old ? noLink(path) : refusal("ENOENT", path, "read the link");
      return target;
    } finally {
      closeSync(place.directory);
    }
  });
}
