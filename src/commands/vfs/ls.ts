import { formatSize } from "../../system/units.ts";
import { type VfsEntry } from "../../vfs/directory-calls.ts";
import { type Context, type Input } from "../command.ts";
import { openPackRoot } from "../shared/pack-root.ts";
import { table } from "../shared/text-table.ts";
import { requireRoot } from "../shared/vfs-paths.ts";

export async function run(context: Context, { args: [packId = "", path = "/"] }: Input): Promise<VfsEntry[]> {
  using root = await openPackRoot(context, packId, false);
  if (!root) return requireRoot(path, []);
  return root.list(path);
}

export function render(entries: VfsEntry[]): string {
  if (entries.length === 0) return "";
  return table(
    ["NAME", "TYPE", "SIZE", "MODIFIED"],
    entries.map(({ name, type, size_bytes, modified }) => [
      name,
      type,
      type === "file" ? formatSize(size_bytes) : "-",
      modified,
    ]),
  );
}
