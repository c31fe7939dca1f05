import { jsonColumns } from "./json-column.ts";
import { type Registry } from "./registry.ts";

/** So many rows of a column are named; one is enough to know that the registry is damaged. */
const MAX_NAMED = 20;

/** What `parseColumn` would refuse, in every row: SQLite itself looks at the structure alone. */
export function damagedColumns(registry: Registry): string[] {
  return Object.entries(jsonColumns).flatMap(([column, { type, row, keys }]) => {
    const [table, name] = column.split(".");
    const hasKeys = Object.entries(keys).map(
      ([key, wanted]) => `coalesce(json_type(${name}, '$.${key}'), '') = '${wanted}'`,
    );
    const isSound = [`json_type(${name}) = '${type}'`, ...hasKeys].join(" AND ");
    return registry
      .all<{ id: string | number }>(
        `SELECT ${row} AS id FROM ${table} WHERE ${name} IS NOT NULL
           AND NOT CASE WHEN json_valid(${name}) THEN ${isSound} ELSE 0 END
         ORDER BY 1 LIMIT ${MAX_NAMED}`,
      )
      .map(({ id }) => `${column} of ${id} is damaged`);
  });
}
