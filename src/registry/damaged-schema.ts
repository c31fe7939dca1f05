import { Database } from "bun:sqlite";

import { migrations } from "./migrations.ts";
import { type Registry } from "./registry.ts";

const SCHEMA = "SELECT name, sql FROM sqlite_schema ORDER BY name";

type Entry = { name: string; sql: string | null };

/** Tables and indexes that are not as this program makes them: the text of the schema has no checksum either. */
export function damagedSchema(registry: Registry): string[] {
  const found = registry.all<Entry>(SCHEMA);
  if (found.length === 0) return []; // A home that has no registry yet.
  using fresh = new Database(":memory:");
  for (const sql of migrations) fresh.run(sql);
  const wanted = fresh.query<Entry, []>(SCHEMA).all();
  const sqlOf = (entries: Entry[]) => new Map(entries.map(({ name, sql }) => [name, sql]));
  const [there, due] = [sqlOf(found), sqlOf(wanted)];
  return [...new Set([...due.keys(), ...there.keys()])]
    .filter((name) => !there.has(name) || there.get(name) !== due.get(name))
    .map((name) => `the schema of ${name} is damaged`);
}
