import { damagedColumns } from "../registry/damaged-columns.ts";
import { damagedSchema } from "../registry/damaged-schema.ts";
import { livePacks } from "../registry/packs.ts";
import { type Registry } from "../registry/registry.ts";
import { allTrees } from "../registry/trees.ts";
import { readTreeRecord } from "../store/tree-record.ts";
import { type HomePaths } from "../system/home.ts";

/**
 * What is wrong with the registry itself: SQLite's findings on its structure, its schema, values that cannot be read, and manifests
 * that are not those of the store, whose records have a checksum.
 */
export function registryFaults(registry: Registry, paths: HomePaths): string[] {
  const faults = [...registry.integrityProblems(), ...damagedSchema(registry)];
  // What is in tables of another form cannot be asked for.
  return faults.length > 0 ? faults : [...damagedColumns(registry), ...otherManifests(registry, paths)];
}

function otherManifests(registry: Registry, paths: HomePaths): string[] {
  const rows = [
    ...allTrees(registry).map((row) => ({ ...row, name: `trees.manifest of ${row.digest}` })),
    ...livePacks(registry).map((row) => ({ ...row, name: `packs.manifest of ${row.pack_id}` })),
  ];
  return rows.flatMap(({ name, digest, manifest }) => {
    const recorded = recordedManifest(paths, digest);
    return recorded === undefined || recorded === manifest ? [] : [`${name} is not the one in the store`];
  });
}

/** Undefined where the store's record is gone or damaged: that is said of the tree. */
function recordedManifest(paths: HomePaths, digest: string): string | undefined {
  try {
    return JSON.stringify(readTreeRecord(paths, digest).manifest);
  } catch {
    return undefined;
  }
}
