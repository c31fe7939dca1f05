import { AuroraError } from "../errors.ts";

/** The columns that hold JSON, but for manifests, which the store has as well: what it is, and what names the row for people. */
export const jsonColumns = {
  "transactions.plan": { type: "object", row: "id" },
  "transactions.cleanup": { type: "object", row: "id" },
  "transactions.confirm": { type: "object", row: "id" },
  "journal.detail": { type: "object", row: "transaction_id" },
  "namespaces.meta": { type: "object", row: "pack_id" },
  "services.processes": { type: "array", row: "pack_id" },
  "service_confinement.summary": { type: "object", row: "pack_id" },
  "service_environments.environment": { type: "object", row: "pack_id" },
  "jobs.spec": { type: "object", row: "pack_id" },
  "job_runs.runner": { type: "object", row: "pack_id" },
  "events.detail": { type: "object", row: "id" },
} as const;

type JsonColumn = keyof typeof jsonColumns;

/**
 * The value of a column that holds JSON.
 *
 * @throws {AuroraError} `state-invalid` where something else has changed it
 */
export function parseColumn<T>(column: JsonColumn, text: string): T {
  const value = parsed(text);
  const type = Array.isArray(value) ? "array" : typeof value;
  if (value !== null && type === jsonColumns[column].type) return value as T;
  throw new AuroraError("state-invalid", `cannot read the registry: a value of ${column} is damaged`, {
    hint: "bring it back from a backup, or remake it with aurora recover --rebuild; aurora verify names the row",
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
