import { type LivePack, livePackOf } from "../../lifecycle/live-pack.ts";
import { unknownPack } from "../../lifecycle/unknown-pack.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { livePack, livePacks } from "../../registry/packs.ts";
import { checkPackId } from "./workspace.ts";

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
