import { lstatSync } from "node:fs";

import { AuroraError, toAuroraError } from "../errors.ts";
import { chmodSync, renameSync } from "../system/changes.ts";
import { removeName, syncDirectory } from "../system/durable.ts";
import { type HomePaths } from "../system/home.ts";
import { createScratch } from "../system/scratch.ts";
import { readTreeRecord, recordPaths } from "./tree-record.ts";

/**
 * Removes a tree from the store, durably. The record goes first: a crash then leaves a tree that counts as not stored, and
 * `sweepStore` removes it. That nothing uses the tree is for the caller to know.
 *
 * @returns the bytes of its files; 0 where there is none
 */
export function removeStoredTree(paths: HomePaths, digest: string): number {
  const { summary, entries } = recordPaths(paths, digest);
  const tree = paths.tree(digest);
  try {
    const bytes = bytesOf(paths, digest);
    removeName(summary);
    removeName(entries);
    const stat = lstatSync(tree, { throwIfNoEntry: false });
    if (stat === undefined) return bytes;
    using scratch = createScratch(paths.tmp, "remove");
    if (stat.isDirectory()) chmodSync(tree, 0o755);
    renameSync(tree, `${scratch.path}/tree`);
    syncDirectory(paths.store);
    return bytes;
  } catch (thrown) {
    throw toAuroraError(thrown);
  }
}

function bytesOf(paths: HomePaths, digest: string): number {
  try {
    return readTreeRecord(paths, digest).bytes;
  } catch (thrown) {
    if (thrown instanceof AuroraError && (thrown.code === "not-found" || thrown.code === "state-invalid"))
      return 0;
    throw thrown;
  }
}
