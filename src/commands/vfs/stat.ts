import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { type EntryDocument, entryDocument, shownName } from "../shared/vfs-paths.ts";

/** `mode`: the permission bits in octal. */
type Result = EntryDocument & { mode: string };

export async function run(context: Context, { args: [packId = "", path = "/"] }: Input): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "read");
  const entry = await vfs.stat(path);
  return { ...entryDocument(entry), mode: entry.mode.toString(8).padStart(4, "0") };
}

export function render(entry: Result): string {
  const { type, size_bytes, modified, mode } = entry;
  return [
    `name      ${shownName(entry)}`,
    `type      ${type}`,
    ...(type === "file" ? [`size      ${size_bytes} bytes`] : []),
    `mode      ${mode}`,
    `modified  ${modified}`,
  ].join("\n");
}
