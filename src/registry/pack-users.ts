import { type Registry } from "./registry.ts";

/** The users that packs run as where Aurora is root's, by pack. They stay when a pack is removed: its number is nobody else's. */
export function usersOfPacks(registry: Registry): Map<string, number> {
  const rows = registry.all<{ pack_id: string; uid: number }>("SELECT pack_id, uid FROM pack_users");
  return new Map(rows.map(({ pack_id, uid }) => [pack_id, uid]));
}

/** The number that a pack has; undefined where it has none yet. */
export function userOfPack(registry: Registry, packId: string): number | undefined {
  return registry.get<{ uid: number }>("SELECT uid FROM pack_users WHERE pack_id = ?", packId)?.uid;
}

/**
 * The number of a pack: the one it has, else one that it has from now on. Two programs may ask at the same time.
 *
 * @param choose gives a number that is none of those
 */
export function takePackUser(
  registry: Registry,
  packId: string,
  choose: (taken: ReadonlySet<number>) => number,
): number {
  return registry.write(() => {
    const users = usersOfPacks(registry);
    const uid = users.get(packId) ?? choose(new Set(users.values()));
    registry.run("INSERT OR IGNORE INTO pack_users (pack_id, uid) VALUES (?, ?)", packId, uid);
    return uid;
  });
}

/** Says again which number a pack has. */
export function restorePackUser(registry: Registry, packId: string, uid: number): void {
  registry.run("INSERT INTO pack_users (pack_id, uid) VALUES (?, ?)", packId, uid);
}
