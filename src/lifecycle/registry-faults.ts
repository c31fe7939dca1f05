import { damagedColumns } from "../registry/damaged-columns.ts";
import { damagedSchema } from "../registry/damaged-schema.ts";
import { type Registry } from "../registry/registry.ts";

/**
 * What is wrong with the registry itself: SQLite's findings on its structure, its schema, and values that cannot be read.
 * Manifests are looked at with their packs (`hasDamagedManifest`).
 */
export function registryFaults(registry: Registry): string[] {
  const faults = [...registry.integrityProblems(), ...damagedSchema(registry)];
  // What is in tables of another form cannot be asked for.
  return faults.length > 0 ? faults : damagedColumns(registry);
}
