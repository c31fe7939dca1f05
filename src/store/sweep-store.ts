import { type HomePaths } from "../system/home.ts";
import { removeStoredTree } from "./remove-tree.ts";
import { storeNames } from "./tree-record.ts";

const OWN_NAME = /^([0-9a-f]{64})(\.json|\.entries\.json)?$/;
/** A tree is whole when it has all of these names. */
const SUFFIXES = ["", ".json", ".entries.json"];

/**
 * Removes what a crash left in the store: trees without a record and records without a tree. Call it only while nobody else
 * can stage, that is with the home's lock held. Names that are not the store's own stay.
 *
 * @returns the digests of which something was removed, sorted
 */
export function sweepStore(paths: HomePaths): string[] {
  const names = storeNames(paths);
  const present = new Set(names);
  const stored = new Set(names.flatMap((name) => OWN_NAME.exec(name)?.[1] ?? []));
  // By the names alone: it comes before every change of the home, and there may be hundreds of trees.
  const broken = [...stored].filter((hex) => !SUFFIXES.every((suffix) => present.has(`${hex}${suffix}`)));
  for (const hex of broken) removeStoredTree(paths, `sha256:${hex}`);
  return broken.map((hex) => `sha256:${hex}`);
}
