import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { targetPath } from "../shared/vfs-paths.ts";

type Result = { from: string; to: string; copied_bytes: number; copied_files: number };

export async function run(
  context: Context,
  { args: [packId = "", from = "", to = ""], options }: Input<"no-overwrite" | "recursive" | "durable">,
): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "write");
  const target = targetPath(vfs, from, to);
  const copyOptions = {
    hasParents: true,
    isRecursive: options.recursive === true,
    isNew: options["no-overwrite"] === true,
    isDurable: options.durable === true,
  };
  const { bytes, files } = await vfs.copy(from, target, copyOptions, context.signal);
  return { from, to: target, copied_bytes: bytes, copied_files: files };
}
