import { AuroraError } from "../errors.ts";
import { type Registry } from "./registry.ts";

export type NamespaceRow = {
  pack_id: string;
  /** A JSON object, as text. */
  meta: string;
  /** Grows by one with each change: compare it to change only what was read. */
  revision: number;
  updated: string;
};

export function namespaceOf(registry: Registry, packId: string): NamespaceRow | undefined {
  return registry.get<NamespaceRow>("SELECT * FROM namespaces WHERE pack_id = ?", packId);
}

export function namespaces(registry: Registry): NamespaceRow[] {
  return registry.all<NamespaceRow>("SELECT * FROM namespaces ORDER BY pack_id");
}

/**
 * Sets a pack's entry.
 *
 * @param ifRevision change only an entry with this revision; 0 means that there must be none
 * @throws {AuroraError} `conflict` where the revision is another
 */
export function registerNamespace(
  registry: Registry,
  packId: string,
  meta: string,
  at: string,
  ifRevision: number | undefined,
): NamespaceRow {
  return registry.write(() => {
    const present = namespaceOf(registry, packId)?.revision ?? 0;
    if (ifRevision !== undefined && ifRevision !== present)
      throw new AuroraError(
        "conflict",
        `cannot register "${packId}": its revision is ${present}, not ${ifRevision}`,
        { hint: `read it again with aurora ns get ${packId}` },
      );
    const row = { pack_id: packId, meta, revision: present + 1, updated: at };
    restoreNamespace(registry, packId, row);
    return row;
  });
}

/** Removes a pack's entry; false where there is none. */
export function unregisterNamespace(registry: Registry, packId: string): boolean {
  return registry.run("DELETE FROM namespaces WHERE pack_id = ?", packId) > 0;
}

/** Puts an entry back as it was, its revision included; undefined means that there was none. */
export function restoreNamespace(registry: Registry, packId: string, row: NamespaceRow | undefined): void {
  if (row === undefined) unregisterNamespace(registry, packId);
  else
    registry.run(
      `INSERT INTO namespaces (pack_id, meta, revision, updated) VALUES (?, ?, ?, ?)
       ON CONFLICT (pack_id) DO UPDATE SET meta = excluded.meta, revision = excluded.revision, updated = excluded.updated`,
      packId,
      row.meta,
      row.revision,
      row.updated,
    );
}
