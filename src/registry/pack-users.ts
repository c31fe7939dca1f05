import { type Registry } from "./registry.ts";

/** The users that packs run as where Aurora is root's, by pack. They stay when a pack is removed: its number is nobody else's. */
export function usersOfPacks(registry: Registry): Map<string, number> {
  const rows = registry.all<{ pack_id: string; uid: number }>("SELECT pack_id, uid FROM pack_users");
  return new Map(rows.map(({ pack_id, uid }) => [pack_id, uid]));
}

export function setPackUser(registry: Registry, packId: string, uid: number): void {
  registry.run("INSERT INTO pack_users (pack_id, uid) VALUES (?, ?)", packId, uid);
}
