import { serviceOf } from "../registry/services.ts";
import { bootId } from "../system/boot.ts";
import { type LivePack, soundLivePacks } from "./live-pack.ts";
import { observeService } from "./observe-service.ts";
import { type Workspace } from "./workspace.ts";

/** The live packs that depend on some of these, at whatever distance, and run or are to; these themselves left out. */
export function runningDependents(workspace: Workspace, packIds: readonly string[]): LivePack[] {
  const live = soundLivePacks(workspace);
  const found = new Set(packIds);
  // A set's iteration meets what is added on the way.
  for (const id of found)
    for (const { row, manifest } of live)
      if (manifest.pack.dependencies.some(({ pack_id: other }) => other === id)) found.add(row.pack_id);
  for (const id of packIds) found.delete(id);
  return live.filter(({ row }) => found.has(row.pack_id) && isAtWork(workspace, row.pack_id));
}

function isAtWork({ registry }: Workspace, packId: string): boolean {
  const row = serviceOf(registry, packId);
  if (row?.wanted !== "running") return false;
  const { state } = observeService(row, bootId());
  return state !== "stopped" && state !== "exited" && state !== "failed";
}
