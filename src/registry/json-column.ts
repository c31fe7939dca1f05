import { AuroraError } from "../errors.ts";

/** What SQLite's json_type(), and here `typeOf`, calls a value. */
type JsonType = "object" | "array" | "text" | "integer";

type ColumnShape = {
  type: JsonType;
  /** The column that names the row for people. */
  row: string;
  /** What every value has, and Aurora relies on: a bit that flips in a name leaves JSON that can be read. */
  keys: Record<string, JsonType>;
};

const processIdentity = { pid: "integer", startTime: "integer", bootId: "text" } as const;

/** The columns that hold JSON, but for manifests, which the store has as well. */
export const jsonColumns = {
  "transactions.plan": { type: "object", row: "id", keys: { steps: "array", packs: "array" } },
  "transactions.cleanup": { type: "object", row: "id", keys: { purge: "array", snapshots: "array" } },
  "transactions.confirm": {
    type: "object",
    row: "id",
    keys: { within_ms: "integer", started: "object", started_at: "text" },
  },
  "journal.detail": { type: "object", row: "transaction_id", keys: { name: "text" } },
  "namespaces.meta": { type: "object", row: "pack_id", keys: {} },
  "services.processes": { type: "array", row: "pack_id", keys: {} },
  "service_confinement.summary": {
    type: "object",
    row: "pack_id",
    keys: { state: "text", layers: "array" },
  },
  "service_environments.environment": { type: "object", row: "pack_id", keys: {} },
  "jobs.spec": {
    type: "object",
    row: "pack_id",
    keys: { schedule: "object", command: "array", tags: "object", overlap: "text", misfire: "text" },
  },
  "job_runs.runner": { type: "object", row: "pack_id", keys: processIdentity },
  "events.detail": { type: "object", row: "id", keys: {} },
} as const satisfies Record<string, ColumnShape>;

type JsonColumn = keyof typeof jsonColumns;

/**
 * The value of a column that holds JSON.
 *
 * @throws {AuroraError} `state-invalid` where something else has changed it
 */
export function parseColumn<T>(column: JsonColumn, text: string): T {
  const value = parsed(text);
  const { type, keys } = jsonColumns[column];
  const isSound =
    typeOf(value) === type &&
    Object.entries(keys).every(([key, wanted]) => typeOf((value as Record<string, unknown>)[key]) === wanted);
  if (isSound) return value as T;
  throw new AuroraError("state-invalid", `cannot read the registry: a value of ${column} is damaged`, {
    hint: "bring it back from a backup, or remake it with aurora recover --rebuild; aurora verify names the row",
  });
}

function typeOf(value: unknown): JsonType | undefined {
  if (Array.isArray(value)) return "array";
  if (typeof value === "object") return value === null ? undefined : "object";
  if (typeof value === "string") return "text";
  return Number.isInteger(value) ? "integer" : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
