import { type ScriptPack, scriptPack } from "../../lifecycle/script.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { type Manifest } from "../../manifest/schema.ts";
import { manifestFromStored } from "../../manifest/stored.ts";
import { livePack, livePacks, type PackRow } from "../../registry/packs.ts";
import { unknownPack } from "./unknown-pack.ts";
import { checkPackId } from "./workspace.ts";

export type LivePack = { row: PackRow; manifest: Manifest; script: ScriptPack };

/**
 * The pack that is live under this id.
 *
 * @throws {AuroraError} `usage` for what cannot be an id, `not-found`
 */
export function requireLivePack(workspace: Workspace, packId: string): LivePack {
  const row = livePack(workspace.registry, checkPackId(packId));
  if (!row) throw unknownPack(workspace, packId, "is not installed");
  return livePackOf(workspace, row);
}

/** The live packs that were named, or all of them. */
export function selectLivePacks(workspace: Workspace, packIds: readonly string[]): LivePack[] {
  if (packIds.length > 0) return [...new Set(packIds)].map((packId) => requireLivePack(workspace, packId));
  return livePacks(workspace.registry).map((row) => livePackOf(workspace, row));
}

function livePackOf(workspace: Workspace, row: PackRow): LivePack {
  const manifest = manifestFromStored(row.manifest);
  return { row, manifest, script: scriptPack(workspace, manifest, row) };
}
