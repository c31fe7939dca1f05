import { MAX_DEPTH } from "./disk-root.ts";
import { type Entry } from "./mount.ts";
import { vfsError } from "./vfs-error.ts";
import { childPath, type VfsPath } from "./vfs-path.ts";
import { type VfsView } from "./vfs-view.ts";

/** `depth` is 1 for what is right in the directory; `relative` is the path from it. */
export type WalkEntry = { depth: number; relative: string; path: VfsPath; entry: Entry };

/**
 * Everything below a directory, sorted by name in each, a directory before what is in it. Links are shown and not followed.
 * A directory that is removed meanwhile is left out.
 *
 * @throws {AuroraError} `too-large` for a tree of more than `MAX_DEPTH` levels
 */
export function* walk(vfs: VfsView, path: VfsPath): Generator<WalkEntry> {
  yield* walkIn(vfs, path, vfs.listAt(path), "", 1);
}

function* walkIn(
  vfs: VfsView,
  directory: VfsPath,
  entries: readonly Entry[],
  start: string,
  depth: number,
): Generator<WalkEntry> {
  if (depth > MAX_DEPTH)
    throw vfsError("too-large", directory, "list", `it is more than ${MAX_DEPTH} directories deep`);
  for (const entry of entries) {
    const path = childPath(directory, entry.name);
    const relative = start + entry.name;
    yield { depth, relative, path, entry };
    if (entry.type !== "directory") continue;
    const inner = listIfThere(vfs, path);
    if (inner) yield* walkIn(vfs, path, inner, `${relative}/`, depth + 1);
  }
}

/** It was a directory a moment ago. */
function listIfThere(vfs: VfsView, path: VfsPath): Entry[] | undefined {
  try {
    return vfs.listAt(path);
  } catch (thrown) {
    const { code } = thrown as { code?: string };
    if (code === "not-found" || code === "not-a-directory" || code === "escape-refused") return undefined;
    throw thrown;
  }
}
