import { closeSync, existsSync, openSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";

import { type Manifest } from "../../manifest/schema.ts";
import { hasTree, readTreeRecord, recordPaths } from "../../store/tree-record.ts";
import { type HomePaths } from "../../system/home.ts";

/**
 * The manifest of a pack's tree: of one in the store as it was checked when it was staged, which needs no parser; else, as in
 * a dry run or for a confined script, which the store's records are closed to, as it is written there.
 *
 * @param tree a directory, or a link to one
 * @returns undefined where there is none
 */
export async function manifestOfTree(paths: HomePaths, tree: string): Promise<Manifest | undefined> {
  if (!existsSync(tree)) return undefined;
  const place = realpathSync(tree);
  const digest = `sha256:${basename(place)}`;
  if (existsSync(paths.store) && dirname(place) === realpathSync(paths.store) && hasRecord(paths, digest))
    return readTreeRecord(paths, digest).manifest as Manifest;
  const { readManifest } = await import("../../manifest/read.ts");
  return readManifest(place).manifest;
}

function hasRecord(paths: HomePaths, digest: string): boolean {
  if (!hasTree(paths, digest)) return false;
  try {
    // access(2) would not tell: it asks the permissions, and not what confines.
    closeSync(openSync(recordPaths(paths, digest).summary, "r"));
    return true;
  } catch {
    return false;
  }
}
