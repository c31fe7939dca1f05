import { readIgnoreRules } from "./ignore-rules.ts";
import { readPack } from "./read-pack.ts";
import { type ReadOptions, type ScannedTree } from "./tree-entry.ts";

/**
 * Computes the digest of a pack and lists what it holds. Changes nothing.
 *
 * @param directory the pack; a symlink to it is followed
 * @throws {AuroraError} `pack-invalid` for what may not be in a pack (all of it at once) and for a pack that changes while
 *   it is read, `too-large` beyond a million names, `interrupted`
 */
export async function scanTree(directory: string, options: ReadOptions = {}): Promise<ScannedTree> {
  return readPack(directory, readIgnoreRules(directory), options);
}
