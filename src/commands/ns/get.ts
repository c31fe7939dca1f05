import { AuroraError } from "../../errors.ts";
import { namespaceOf, namespaces } from "../../registry/namespaces.ts";
import { nearest } from "../../system/nearest.ts";
import { type Context, type Input } from "../command.ts";
import { type NamespaceEntry, namespaceEntry } from "../shared/namespace-entry.ts";
import { checkPackId, openForReading } from "../shared/workspace.ts";

export async function run(context: Context, { args: [packId = ""] }: Input): Promise<NamespaceEntry> {
  using workspace = await openForReading(context);
  const row = namespaceOf(workspace.registry, checkPackId(packId));
  if (row) return namespaceEntry(row);
  const near = nearest(
    packId,
    namespaces(workspace.registry).map(({ pack_id }) => pack_id),
  );
  throw new AuroraError("not-found", `"${packId}" has no entry in the namespace registry`, {
    hint: near ? `did you mean "${near}"?` : "aurora ns list shows the entries",
  });
}

export function render({ meta }: NamespaceEntry): string {
  return JSON.stringify(meta, null, 2);
}
