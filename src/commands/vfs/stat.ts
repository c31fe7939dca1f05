import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { type EntryDocument, entryDocument, shownName } from "../shared/vfs-paths.ts";

export async function run(
  context: Context,
  { args: [packId = "", path = "/"] }: Input,
): Promise<EntryDocument> {
  using vfs = await openPackVfs(context, packId, "read");
  return entryDocument(await vfs.stat(path));
}

export function render(entry: EntryDocument): string {
  const { type, size_bytes, modified } = entry;
  return [
    `name      ${shownName(entry)}`,
    `type      ${type}`,
    ...(type === "file" ? [`size      ${size_bytes} bytes`] : []),
    `modified  ${modified}`,
  ].join("\n");
}
