import { type VfsEntry } from "../../vfs/directory-calls.ts";
import { type Context, type Input } from "../command.ts";
import { openPackRoot } from "../shared/pack-root.ts";
import { requireRoot } from "../shared/vfs-paths.ts";

type Node = { depth: number } & VfsEntry;

export async function run(context: Context, { args: [packId = "", path = "/"] }: Input): Promise<Node[]> {
  using root = await openPackRoot(context, packId, false);
  if (!root) return requireRoot(path, []);
  return [...root.walk(path)].map(({ depth, entry }) => ({ depth, ...entry }));
}

export function render(nodes: Node[]): string {
  return nodes
    .map(({ depth, name, type }) => `${"  ".repeat(depth - 1)}${name}${type === "directory" ? "/" : ""}`)
    .join("\n");
}
