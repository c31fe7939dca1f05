import { lstatSync, readdirSync } from "node:fs";

import { chainProblems, generationsOf } from "../registry/generations.ts";
import { knownPackIds, livePack, livePacks, type PackRow } from "../registry/packs.ts";
import { allTrees, newestTree } from "../registry/trees.ts";
import { hasTree } from "../store/tree-record.ts";
import { verifyTree } from "../store/verify-tree.ts";
import { readLink, TEMPORARY_PREFIX } from "../system/durable.ts";
import { type HomePaths } from "../system/home.ts";
import { registryFaults } from "./registry-faults.ts";
import { hasDamagedManifest } from "./stored-manifests.ts";
import { unknownPack } from "./unknown-pack.ts";
import { type Workspace } from "./workspace.ts";

export type VerifyReport = {
  ok: boolean;
  packs: { pack_id: string; version: string; digest: string; ok: boolean; problems: string[] }[];
  /** What is wrong with the home as a whole: the database, links that belong to nobody. */
  problems: string[];
};

/**
 * Checks stored trees, links, histories and the database against each other.
 *
 * @param packIds the packs to look at; none for all and the home itself
 * @param full re-hash every file, rather than compare size, time and inode with what was recorded
 * @param sound digests of trees that need not be looked at; those that are found sound are added
 * @throws {AuroraError} `not-found` for a pack that is neither installed nor staged
 */
export async function verifyPacks(
  workspace: Pick<Workspace, "registry" | "paths">,
  packIds: readonly string[],
  full: boolean,
  sound = new Set<string>(),
): Promise<VerifyReport> {
  const { registry } = workspace;
  const treeProblems = async (digest: string) => {
    const found = sound.has(digest) ? [] : await problemsOf(workspace, digest, full);
    if (found.length === 0) sound.add(digest);
    return found;
  };
  const wanted =
    packIds.length > 0 ? [...new Set(packIds)] : livePacks(registry).map(({ pack_id }) => pack_id);
  const packs: VerifyReport["packs"] = [];
  for (const packId of wanted) {
    const live = livePack(registry, packId);
    // One that nobody has named may have been removed meanwhile.
    if (live || packIds.length > 0) packs.push(await verifyPack(workspace, packId, live, treeProblems));
  }
  // Trees that are kept for a rollback, or only staged: they are shown where something is wrong with them.
  for (const { digest, pack_id, version } of allTrees(registry)) {
    if (packs.some((pack) => pack.digest === digest)) continue;
    if (packIds.length > 0 && !packIds.includes(pack_id)) continue;
    const found = await treeProblems(digest);
    if (found.length > 0) packs.push({ pack_id, version, digest, ok: false, problems: found });
  }
  const problems = packIds.length > 0 ? [] : [...registryFaults(registry), ...strayLinks(workspace)];
  return { ok: problems.length === 0 && packs.every(({ ok }) => ok), packs, problems };
}

async function verifyPack(
  workspace: Pick<Workspace, "registry" | "paths">,
  packId: string,
  live: PackRow | undefined,
  treeProblems: (digest: string) => Promise<string[]>,
): Promise<VerifyReport["packs"][number]> {
  const { registry, paths } = workspace;
  const shown = live ?? newestTree(registry, packId);
  if (!shown) {
    const isKnown = knownPackIds(registry).includes(packId);
    throw unknownPack(workspace, packId, `is ${isKnown ? "no longer" : "not"} installed`);
  }
  const { digest, version } = shown;
  const problems = chainProblems(generationsOf(registry, packId)).map((problem) => `history: ${problem}`);
  if (live) {
    const link = readLink(paths.liveLink(packId));
    if (link === undefined)
      problems.push(isTaken(paths, packId) ? `live/${packId} is no link` : "the live link is missing");
    else if (link !== paths.liveTarget(digest))
      problems.push(`the live link points to "${link}" instead of "${paths.liveTarget(digest)}"`);
  }
  problems.push(...(await treeProblems(digest)));
  return { pack_id: packId, version, digest, ok: problems.length === 0, problems };
}

/** Whether something stands in the place of a pack's link that is none. */
export function isTaken(paths: HomePaths, packId: string): boolean {
  return lstatSync(paths.liveLink(packId), { throwIfNoEntry: false })?.isSymbolicLink() === false;
}

async function problemsOf(
  workspace: Pick<Workspace, "registry" | "paths">,
  digest: string,
  full: boolean,
): Promise<string[]> {
  const { paths } = workspace;
  if (!hasTree(paths, digest)) return ["the stored tree is missing"];
  const { problems } = await verifyTree(paths, digest, { full });
  return hasDamagedManifest(workspace, digest)
    ? [...problems, "its manifest in the registry is damaged: aurora recover puts it back"]
    : problems;
}

/** Names in `live/` that no installed pack has. */
function strayLinks({ registry, paths }: Pick<Workspace, "registry" | "paths">): string[] {
  const known = new Set(livePacks(registry).map(({ pack_id }) => pack_id));
  let names: string[] = [];
  try {
    names = readdirSync(paths.live);
  } catch {
    // A home that was never used has no such directory.
  }
  return names
    .filter((name) => !known.has(name) && !name.startsWith(TEMPORARY_PREFIX))
    .map((name) => `live/${name} belongs to no installed pack`);
}
