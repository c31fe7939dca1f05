import { jsonColumns } from "./json-column.ts";
import { type Registry } from "./registry.ts";

/** So many rows of a column are named; one is enough to know that the registry is damaged. */
const MAX_NAMED = 20;

/** What `parseColumn` would refuse, in every row: SQLite itself looks at the structure alone. */
export function damagedColumns(registry: Registry): string[] {
  return Object.entries(jsonColumns).flatMap(([column, { type, row }]) => {
    const [table, name] = column.split(".");
    return registry
      .all<{ id: string | number }>(
        `SELECT ${row} AS id FROM ${table} WHERE ${name} IS NOT NULL
           AND CASE WHEN json_valid(${name}) THEN json_type(${name}) ELSE '' END <> '${type}'
         ORDER BY 1 LIMIT ${MAX_NAMED}`,
      )
      .map(({ id }) => `${column} of ${id} is damaged`);
  });
}
