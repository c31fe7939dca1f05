import { type HomePaths } from "../system/home.ts";
import { removeStoredTree } from "./remove-tree.ts";
import { hasTree, storeNames } from "./tree-record.ts";

const OWN_NAME = /^([0-9a-f]{64})(\.json|\.entries\.json)?$/;

/**
 * Removes what a crash left in the store: trees without a record and records without a tree. Call it only while nobody else
 * can stage, that is with the home's lock held. Names that are not the store's own stay.
 *
 * @returns the digests of which something was removed, sorted
 */
export function sweepStore(paths: HomePaths): string[] {
  const digests = new Set(
    storeNames(paths).flatMap((name) => {
      const hex = OWN_NAME.exec(name)?.[1];
      return hex === undefined ? [] : [`sha256:${hex}`];
    }),
  );
  const broken = [...digests].filter((digest) => !hasTree(paths, digest));
  for (const digest of broken) removeStoredTree(paths, digest);
  return broken;
}
