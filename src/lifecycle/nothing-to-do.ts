import { identify } from "../process/tree.ts";
import { livePack } from "../registry/packs.ts";
import { hasServiceEnvironment, serviceOf } from "../registry/services.ts";
import { type ActedPack, actedPacks } from "./acted-packs.ts";
import { type Workspace } from "./workspace.ts";

/*
 * What a command need not do, told without its manifest and without the daemon: those who ask again and again most often ask for what
 * is so already. Where that is not certain, all is looked at as if nobody had looked.
 */

/** The pack, where it runs as its live generation, and is watched where it is to be; undefined where there may be something to start. */
export function runsAlready(workspace: Workspace, packId: string): ActedPack | undefined {
  const { registry, services } = workspace;
  const row = serviceOf(registry, packId);
  if (row?.wanted !== "running" || row.generation !== livePack(registry, packId)?.generation)
    return undefined;
  // A daemon watches all that is wanted, from its start on. One that was killed holds its place until its last thread is gone.
  const host = workspace.hostPid?.();
  const isWatched = services !== undefined && host !== undefined && identify(host) !== undefined;
  if (!isWatched && hasServiceEnvironment(registry, packId)) return undefined;
  const [pack] = actedPacks(workspace, [{ pack_id: packId, changed: false }]);
  return pack?.state === "running" ? pack : undefined;
}

/** The pack, where it was never started, or nothing was left of it when it was stopped; undefined where there may be something to stop. */
export function isStoppedAlready(workspace: Workspace, packId: string): ActedPack | undefined {
  const row = serviceOf(workspace.registry, packId);
  if (!livePack(workspace.registry, packId)) return undefined;
  // What is down only until the next daemon starts it is still wanted.
  if (row && (row.wanted !== "stopped" || row.state !== "stopped")) return undefined;
  return actedPacks(workspace, [{ pack_id: packId, changed: false }])[0];
}
