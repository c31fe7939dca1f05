import { parseColumn } from "../../registry/json-column.ts";
import { type NamespaceRow } from "../../registry/namespaces.ts";

export type NamespaceEntry = {
  pack_id: string;
  meta: Record<string, unknown>;
  revision: number;
  updated: string;
};

/** An entry as it is shown: its meta as a value. */
export function namespaceEntry({ pack_id, meta, revision, updated }: NamespaceRow): NamespaceEntry {
  return { pack_id, meta: parseColumn("namespaces.meta", meta), revision, updated };
}
