import { AuroraError } from "../../errors.ts";
import { namespaces } from "../../registry/namespaces.ts";
import { nearest } from "../../system/nearest.ts";
import { type Context, type Input } from "../command.ts";
import { type NamespaceEntry, namespaceEntry } from "../shared/namespace-entry.ts";
import { withOwnPack } from "../shared/own-pack.ts";
import { isConfined, openForReading } from "../shared/workspace.ts";

export async function run(context: Context, { args: [packId = ""] }: Input): Promise<NamespaceEntry> {
  const row = await withOwnPack(context, packId, "ns get", {});
  if (row) return namespaceEntry(row);
  const near = isConfined(context) ? undefined : await nearestEntry(context, packId);
  throw new AuroraError("not-found", `"${packId}" has no entry in the namespace registry`, {
    hint: near ? `did you mean "${near}"?` : "aurora ns list shows the entries",
  });
}

async function nearestEntry(context: Context, packId: string): Promise<string | undefined> {
  using workspace = await openForReading(context);
  return nearest(
    packId,
    namespaces(workspace.registry).map(({ pack_id }) => pack_id),
  );
}

export function render({ meta }: NamespaceEntry): string {
  return JSON.stringify(meta, null, 2);
}
