import { type LivePack, livePackOf, requireLivePack as requireLive } from "../../lifecycle/live-pack.ts";
import { runningDependents } from "../../lifecycle/running-dependents.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { livePacks } from "../../registry/packs.ts";
import { checkPackId } from "./workspace.ts";

/**
 * The pack that is live under this id.
 *
 * @throws {AuroraError} `usage` for what cannot be an id, `not-found`
 */
export function requireLivePack(workspace: Workspace, packId: string): LivePack {
  return requireLive(workspace, checkPackId(packId));
}

/** The live packs that were named, and with `dependents` those that depend on them and run. */
export function selectWithDependents(
  workspace: Workspace,
  packIds: readonly string[],
  dependents: boolean,
): LivePack[] {
  const named = selectLivePacks(workspace, packIds);
  if (!dependents) return named;
  const ids = named.map(({ row }) => row.pack_id);
  return [...named, ...runningDependents(workspace, ids)];
}

/** The live packs that were named, or all of them. */
export function selectLivePacks(workspace: Workspace, packIds: readonly string[]): LivePack[] {
  if (packIds.length > 0) return [...new Set(packIds)].map((packId) => requireLivePack(workspace, packId));
  return livePacks(workspace.registry).map((row) => livePackOf(workspace, row));
}
