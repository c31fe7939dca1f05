import { lstatSync } from "node:fs";

import { manifestFromStored } from "../manifest/stored.ts";
import { PACK_USERS } from "../process/confinement/pack-user.ts";
import { restorePackUser, userOfPack, usersOfPacks } from "../registry/pack-users.ts";
import { livePacks } from "../registry/packs.ts";
import { type Registry } from "../registry/registry.ts";
import { recordSharedData } from "../registry/shared-data.ts";
import { type HomePaths } from "../system/home.ts";
import { outsideMounts } from "./planned-mounts.ts";

/**
 * Gives packs their users back, where Aurora is root's: the owners of what lies in the home, and for packs of which nothing is left
 * what was recorded. Without them two packs whose numbers begin at the same one might change places, and each would be handed
 * the files of the other.
 *
 * @param recorded by pack
 * @returns a sentence about each pack that cannot have its user again
 */
export function rebuildUsers(
  registry: Registry,
  paths: HomePaths,
  packIds: readonly string[],
  recorded: ReadonlyMap<string, number | null>,
): string[] {
  const owners = new Map(packIds.map((packId) => [packId, ownerOf(paths, packId)]));
  const claims = [
    ...owners,
    ...packIds.map((packId) => [packId, recorded.get(packId) ?? undefined] as const),
  ];
  const packs = new Map<number, string>();
  const problems: string[] = [];
  for (const [packId, uid] of claims) {
    if (uid === undefined || userOfPack(registry, packId) !== undefined) continue;
    const other = packs.get(uid);
    if (other === undefined) {
      packs.set(uid, packId);
      restorePackUser(registry, packId, uid);
    } else problems.push(`${packId} had the user of ${other}, and gets one of its own when it runs`);
  }
  return problems;
}

/** Whose the data and the logs of a pack are, where that is a pack's user. */
function ownerOf(paths: HomePaths, packId: string): number | undefined {
  return [paths.dataOf(packId), paths.logsOf(packId)]
    .map((path) => lstatSync(path, { throwIfNoEntry: false })?.uid)
    .find((uid) => uid !== undefined && isPackUser(uid));
}

function isPackUser(uid: number): boolean {
  return uid >= PACK_USERS.first && uid < PACK_USERS.first + PACK_USERS.count;
}

/** Writes down who may have been let into whose data: what packs do not agree on any more can then be taken back. */
export function rebuildSharedData(registry: Registry): void {
  const users = usersOfPacks(registry);
  for (const { pack_id: taker, manifest } of livePacks(registry))
    for (const { from: giver, source, mode } of outsideMounts(manifestFromStored(manifest, taker))) {
      const uid = users.get(taker);
      if (giver !== null && uid !== undefined)
        recordSharedData(registry, { giver, taker, source, mode, uid });
    }
}
