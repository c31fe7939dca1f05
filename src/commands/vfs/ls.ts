import { formatSize } from "../../system/units.ts";
import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { table } from "../shared/text-table.ts";
import { type EntryDocument, entryDocument, shownName } from "../shared/vfs-paths.ts";

export async function run(
  context: Context,
  { args: [packId = "", path = "/"] }: Input,
): Promise<EntryDocument[]> {
  using vfs = await openPackVfs(context, packId, "read");
  return (await vfs.list(path)).map(entryDocument);
}

export function render(entries: EntryDocument[]): string {
  if (entries.length === 0) return "";
  return table(
    ["NAME", "TYPE", "SIZE", "MODIFIED"],
    entries.map((entry) => [
      shownName(entry),
      entry.type,
      entry.type === "file" ? formatSize(entry.size_bytes) : "-",
      entry.modified,
    ]),
  );
}
