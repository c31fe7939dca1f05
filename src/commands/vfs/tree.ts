import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { type EntryDocument, entryDocument, shownName } from "../shared/vfs-paths.ts";

type Node = { depth: number } & EntryDocument;

export async function run(context: Context, { args: [packId = "", path = "/"] }: Input): Promise<Node[]> {
  using vfs = await openPackVfs(context, packId, "read");
  const nodes: Node[] = [];
  for await (const { depth, entry } of vfs.walk(path)) nodes.push({ depth, ...entryDocument(entry) });
  return nodes;
}

export function render(nodes: Node[]): string {
  return nodes
    .map((node) => `${"  ".repeat(node.depth - 1)}${shownName(node)}${node.type === "directory" ? "/" : ""}`)
    .join("\n");
}
