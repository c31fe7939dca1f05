import { type Registry } from "./registry.ts";

/** A part of a pack's data that another pack's user has been let into. */
export type SharedDataRow = {
  giver: string;
  taker: string;
  /** From the root of the giver's data. */
  source: string;
  mode: "ro" | "rw";
  /** The taker's user. */
  uid: number;
};

export function sharedData(registry: Registry): SharedDataRow[] {
  return registry.all<SharedDataRow>(
    "SELECT giver, taker, source, mode, uid FROM shared_data ORDER BY 1, 2, 3",
  );
}

export function recordSharedData(registry: Registry, row: SharedDataRow): void {
  registry.run(
    "INSERT OR REPLACE INTO shared_data (giver, taker, source, mode, uid) VALUES (?, ?, ?, ?, ?)",
    row.giver,
    row.taker,
    row.source,
    row.mode,
    row.uid,
  );
}

export function forgetSharedData(registry: Registry, { giver, taker, source, uid }: SharedDataRow): void {
  registry.run(
    "DELETE FROM shared_data WHERE giver = ? AND taker = ? AND source = ? AND uid = ?",
    giver,
    taker,
    source,
    uid,
  );
}
