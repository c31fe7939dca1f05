import { namespaces } from "../../registry/namespaces.ts";
import { type Context } from "../command.ts";
import { type NamespaceEntry, namespaceEntry } from "../shared/namespace-entry.ts";
import { ownPackId, withOwnPack } from "../shared/own-pack.ts";
import { table } from "../shared/text-table.ts";
import { openForReading } from "../shared/workspace.ts";

export async function run(context: Context): Promise<NamespaceEntry[]> {
  const own = ownPackId(context);
  if (own !== undefined) {
    const row = await withOwnPack(context, own, "ns get", {});
    return row ? [namespaceEntry(row)] : [];
  }
  using workspace = await openForReading(context);
  return namespaces(workspace.registry).map(namespaceEntry);
}

export function render(entries: NamespaceEntry[]): string {
  if (entries.length === 0) return "no namespaces";
  return table(
    ["PACK", "REVISION", "UPDATED", "META"],
    entries.map(({ pack_id, revision, updated, meta }) => [
      pack_id,
      String(revision),
      updated,
      JSON.stringify(meta),
    ]),
  );
}
