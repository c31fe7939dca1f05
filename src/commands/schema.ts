import { manifestJsonSchema } from "../manifest/json-schema.ts";

/** Prints the schema as it is, with and without `--json`: it is a document for programs. */
export function run(): Record<string, unknown> {
  return manifestJsonSchema();
}

export function render(schema: Record<string, unknown>): string {
  return JSON.stringify(schema, undefined, 2);
}
