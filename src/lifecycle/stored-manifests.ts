import { livePacks } from "../registry/packs.ts";
import { allTrees, setTreeManifest, treeByDigest } from "../registry/trees.ts";
import { readTreeRecord } from "../store/tree-record.ts";
import { type HomePaths } from "../system/home.ts";
import { type Workspace } from "./workspace.ts";

type Copies = Pick<Workspace, "registry" | "paths">;

/** The registry has two copies of each manifest, and everything that runs is run by these. What is wrong with a record is told with its tree. */
export function hasDamagedManifest(copies: Copies, digest: string): boolean {
  return manifestInstead(copies, digest) !== undefined;
}

/** The manifest as the store has it, where a copy in the registry is another one. */
function manifestInstead({ registry, paths }: Copies, digest: string): string | undefined {
  const recorded = recordedManifest(paths, digest);
  const live = livePacks(registry).filter((pack) => pack.digest === digest);
  const copies = [...live, treeByDigest(registry, digest)].flatMap((row) => row?.manifest ?? []);
  return copies.every((copy) => copy === recorded) ? undefined : recorded;
}

/**
 * Puts damaged manifests of the registry back as the store has them. The caller holds the lock.
 *
 * @returns their packs
 */
export function restoreManifests(copies: Copies): string[] {
  const { registry } = copies;
  const damaged = allTrees(registry).flatMap(({ digest, pack_id: packId }) => {
    const recorded = manifestInstead(copies, digest);
    return recorded === undefined ? [] : [{ packId, digest, recorded }];
  });
  if (damaged.length === 0) return [];
  registry.write(() => {
    for (const { digest, recorded } of damaged) setTreeManifest(registry, digest, recorded);
  });
  return [...new Set(damaged.map(({ packId }) => packId))];
}

function recordedManifest(paths: HomePaths, digest: string): string | undefined {
  try {
    return JSON.stringify(readTreeRecord(paths, digest).manifest);
  } catch {
    return undefined;
  }
}
