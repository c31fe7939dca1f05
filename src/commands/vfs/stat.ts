import { type VfsEntry } from "../../vfs/directory-calls.ts";
import { type Context, type Input } from "../command.ts";
import { openPackRoot } from "../shared/pack-root.ts";
import { requireRoot } from "../shared/vfs-paths.ts";

export async function run(context: Context, { args: [packId = "", path = "/"] }: Input): Promise<VfsEntry> {
  using root = await openPackRoot(context, packId, false);
  if (root) return root.stat(path);
  return requireRoot(path, {
    name: "/",
    type: "directory",
    size_bytes: 0,
    modified: new Date(0).toISOString(),
  } as const);
}

export function render({ name, type, size_bytes, modified }: VfsEntry): string {
  return [
    `name      ${name}`,
    `type      ${type}`,
    ...(type === "file" ? [`size      ${size_bytes} bytes`] : []),
    `modified  ${modified}`,
  ].join("\n");
}
