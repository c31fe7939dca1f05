import { statSync } from "node:fs";
import { resolve } from "node:path";

import { AuroraError } from "../../errors.ts";
import { formatSize } from "../../system/units.ts";
import { type Context, type Input } from "../command.ts";
import { counted } from "../shared/counted.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

type Result = { path: string; copied_files: number; copied_bytes: number };

export async function run(
  context: Context,
  { args: [packId = "", directory = "", path = "/"], options }: Input<"no-overwrite" | "durable">,
): Promise<Result> {
  const source = resolve(context.cwd, directory);
  if (!statSync(source, { throwIfNoEntry: false })?.isDirectory())
    throw new AuroraError("not-found", `cannot import "${directory}": there is no such directory`);
  using vfs = await openPackVfs(context, packId, "write");
  const copyOptions = {
    hasParents: true,
    isNew: options["no-overwrite"] === true,
    isDurable: options.durable === true,
  };
  const { files, bytes } = await vfs.importDirectory(source, path, copyOptions, context.signal);
  return { path, copied_files: files, copied_bytes: bytes };
}

export function render({ copied_files, copied_bytes }: Result): string {
  return `imported ${counted(copied_files, "file")}, ${formatSize(copied_bytes)}`;
}
