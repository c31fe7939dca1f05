import { livePacks } from "../registry/packs.ts";
import { allTrees, setTreeManifest, treeByDigest } from "../registry/trees.ts";
import { readTreeRecord } from "../store/tree-record.ts";
import { type HomePaths } from "../system/home.ts";
import { type Workspace } from "./workspace.ts";

type Copies = Pick<Workspace, "registry" | "paths">;

/** A tree of which a copy of the manifest in the registry is not what its record in the store says. */
type Damaged = { packId: string; digest: string; recorded: string };

/** The registry has two copies of each manifest, and everything that runs is run by these. What is wrong with a record is told with its tree. */
export function hasDamagedManifest({ registry, paths }: Copies, digest: string): boolean {
  const recorded = recordedManifest(paths, digest);
  const live = livePacks(registry).filter((pack) => pack.digest === digest);
  const copies = [...live, treeByDigest(registry, digest)].map((row) => row?.manifest);
  return recorded !== undefined && copies.some((copy) => copy !== undefined && copy !== recorded);
}

/**
 * Puts damaged manifests of the registry back as the store has them. The caller holds the lock.
 *
 * @returns their packs
 */
export function restoreManifests({ registry, paths }: Copies): string[] {
  const damaged = allTrees(registry).flatMap(({ digest, pack_id: packId }): Damaged[] => {
    const recorded = recordedManifest(paths, digest);
    return recorded !== undefined && hasDamagedManifest({ registry, paths }, digest)
      ? [{ packId, digest, recorded }]
      : [];
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
