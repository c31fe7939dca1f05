import { AuroraError } from "../errors.ts";
import { type Manifest } from "../manifest/schema.ts";
import { manifestFromStored } from "../manifest/stored.ts";
import { livePack, livePacks, type PackRow } from "../registry/packs.ts";
import { type Registry } from "../registry/registry.ts";
import { treeByDigest } from "../registry/trees.ts";
import { type ScriptPack, scriptPack } from "./script.ts";
import { unknownPack } from "./unknown-pack.ts";
import { type Workspace } from "./workspace.ts";

export type LivePack = { row: PackRow; manifest: Manifest; script: ScriptPack };

/** What is known of a pack that is live, ready for its scripts. */
export function livePackOf(workspace: Workspace, row: PackRow): LivePack {
  const manifest = manifestFromStored(row.manifest, row.pack_id);
  return { row, manifest, script: scriptPack(workspace, manifest, row) };
}

/** The pack that is live under this id. Throws `not-found`. */
export function requireLivePack(workspace: Workspace, packId: string): LivePack {
  const row = livePack(workspace.registry, packId);
  if (!row) throw unknownPack(workspace, packId, "is not installed");
  return livePackOf(workspace, row);
}

/** All packs that are live but those whose stored manifest is damaged: these are in nobody else's way. `damageOf` tells them. */
export function soundLivePacks(workspace: Workspace): LivePack[] {
  const { registry } = workspace;
  return livePacks(registry).flatMap((row) =>
    damageOf(registry, row) === undefined ? livePackOf(workspace, row) : [],
  );
}

/** What is wrong with the stored manifest of a live pack, if anything. There are two: with the pack, and with its tree. */
export function damageOf(
  registry: Registry,
  { digest, manifest, pack_id }: PackRow,
): AuroraError | undefined {
  try {
    for (const stored of [manifest, treeByDigest(registry, digest)?.manifest ?? manifest])
      manifestFromStored(stored, pack_id);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof AuroraError) return thrown;
    throw thrown;
  }
}
