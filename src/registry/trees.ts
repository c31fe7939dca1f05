import { type Registry } from "./registry.ts";

export type TreeRow = {
  digest: string;
  pack_id: string;
  version: string;
  manifest: string;
  files: number;
  bytes: number;
  staged_at: string;
};

/**
 * Records a staged tree; staging the same one again makes it the newest of its pack: a new row, so that the numbers of the rows
 * tell the order, and not a clock that may be set.
 */
export function recordTree(registry: Registry, tree: TreeRow): void {
  registry.run(
    `INSERT OR REPLACE INTO trees (digest, pack_id, version, manifest, files, bytes, staged_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    tree.digest,
    tree.pack_id,
    tree.version,
    tree.manifest,
    tree.files,
    tree.bytes,
    tree.staged_at,
  );
}

export function treeByDigest(registry: Registry, digest: string): TreeRow | undefined {
  return registry.get<TreeRow>("SELECT * FROM trees WHERE digest = ?", digest);
}

/** The tree of this pack that was staged last. */
export function newestTree(registry: Registry, packId: string): TreeRow | undefined {
  return registry.get<TreeRow>("SELECT * FROM trees WHERE pack_id = ? ORDER BY rowid DESC LIMIT 1", packId);
}

/** Of each pack that is not live, the tree that was staged last, where it was never activated. */
export function waitingTrees(registry: Registry): Pick<TreeRow, "pack_id" | "version" | "digest">[] {
  return registry.all(
    `SELECT pack_id, version, digest, max(rowid) FROM trees
     WHERE NOT EXISTS (SELECT 1 FROM packs WHERE packs.pack_id = trees.pack_id)
       AND NOT EXISTS (SELECT 1 FROM generations WHERE generations.digest = trees.digest)
     GROUP BY pack_id ORDER BY pack_id`,
  );
}

export function allTrees(registry: Registry): TreeRow[] {
  return registry.all<TreeRow>("SELECT * FROM trees ORDER BY pack_id, rowid");
}

/** Replaces both copies of a tree's manifest: with the tree, and with the pack that is live at it. */
export function setTreeManifest(registry: Registry, digest: string, manifest: string): void {
  registry.run("UPDATE trees SET manifest = ? WHERE digest = ?", manifest, digest);
  registry.run("UPDATE packs SET manifest = ? WHERE digest = ?", manifest, digest);
}

export function forgetTree(registry: Registry, digest: string): void {
  registry.run("DELETE FROM trees WHERE digest = ?", digest);
}
