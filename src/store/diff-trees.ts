import { type TreeEntry } from "./tree-entry.ts";

export type TreeDiff = { added: string[]; changed: string[]; removed: string[] };

/**
 * Compares two trees by what their digests are made of: content, type, execute bit and link target.
 *
 * @returns paths, sorted; a path whose type changed counts as changed
 */
export function diffTrees(before: readonly TreeEntry[], after: readonly TreeEntry[]): TreeDiff {
  const old = new Map(before.map((entry) => [entry.path, entry]));
  const added: string[] = [];
  const changed: string[] = [];
  for (const entry of after) {
    const previous = old.get(entry.path);
    old.delete(entry.path);
    if (previous === undefined) added.push(entry.path);
    else if (!isSame(previous, entry)) changed.push(entry.path);
  }
  return { added: added.toSorted(), changed: changed.toSorted(), removed: [...old.keys()].toSorted() };
}

function isSame(a: TreeEntry, b: TreeEntry): boolean {
  return a.type === b.type && a.mode === b.mode && a.sha256 === b.sha256 && a.target === b.target;
}
