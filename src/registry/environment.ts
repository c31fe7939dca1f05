import { type Registry } from "./registry.ts";

export type EnvironmentRow = { name: string; value: string };

/** The variables that the operator has set for a pack, by name. */
export function environmentOf(registry: Registry, packId: string): EnvironmentRow[] {
  return registry.all<EnvironmentRow>(
    "SELECT name, value FROM environment WHERE pack_id = ? ORDER BY name",
    packId,
  );
}

export function setEnvironment(registry: Registry, packId: string, rows: readonly EnvironmentRow[]): void {
  for (const { name, value } of rows)
    registry.run(
      `INSERT INTO environment (pack_id, name, value) VALUES (?, ?, ?)
       ON CONFLICT (pack_id, name) DO UPDATE SET value = excluded.value`,
      packId,
      name,
      value,
    );
}

/** Removes one variable; false where it is not set. */
export function unsetEnvironment(registry: Registry, packId: string, name: string): boolean {
  return registry.run("DELETE FROM environment WHERE pack_id = ? AND name = ?", packId, name) > 0;
}

/** Puts a pack's variables back as they were. */
export function restoreEnvironment(
  registry: Registry,
  packId: string,
  rows: readonly EnvironmentRow[],
): void {
  registry.run("DELETE FROM environment WHERE pack_id = ?", packId);
  setEnvironment(registry, packId, rows);
}
