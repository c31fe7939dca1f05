import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { targetPath } from "../shared/vfs-paths.ts";

type Result = { from: string; to: string };

export async function run(
  context: Context,
  { args: [packId = "", from = "", to = ""], options }: Input<"no-overwrite" | "durable">,
): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "write");
  const target = targetPath(vfs, from, to);
  const moveOptions = {
    hasParents: true,
    isNew: options["no-overwrite"] === true,
    isDurable: options.durable === true,
  };
  await vfs.rename(from, target, moveOptions, context.signal);
  return { from, to: target };
}
