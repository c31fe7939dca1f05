import { closeSync, openSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";

import { type Manifest } from "../../manifest/schema.ts";
import { hasTree, readTreeRecord, recordPaths } from "../../store/tree-record.ts";
import { type HomePaths } from "../../system/home.ts";

/**
 * The manifest of a pack's tree: of one in the store as it was checked when it was staged, which needs no parser; else, as in
 * a dry run or for a confined script, which the store's records are closed to, as it is written there.
 *
 * @param tree a directory, or a link to one. A link may be switched meanwhile, and what it led to removed: then it is followed anew
 * @returns undefined where there is none
 */
export async function manifestOfTree(paths: HomePaths, tree: string): Promise<Manifest | undefined> {
  for (let place = realPath(tree); place !== undefined;) {
    try {
      return await manifestAt(paths, place);
    } catch (thrown) {
      const now = realPath(tree);
      if (now === place) throw thrown;
      place = now;
    }
  }
  return undefined;
}

async function manifestAt(paths: HomePaths, place: string): Promise<Manifest> {
  const digest = `sha256:${basename(place)}`;
  if (dirname(place) === realPath(paths.store) && hasRecord(paths, digest))
    return readTreeRecord(paths, digest).manifest as Manifest;
  const { readManifest } = await import("../../manifest/read.ts");
  return readManifest(place).manifest;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
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
