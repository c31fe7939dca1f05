import { type Context, type Input } from "../command.ts";
import { openPackRootForWriting } from "../shared/pack-root.ts";
import { targetPath } from "../shared/vfs-paths.ts";

type Result = { from: string; to: string };

export async function run(
  context: Context,
  { args: [packId = "", from = "", to = ""], options }: Input<"no-overwrite">,
): Promise<Result> {
  using root = await openPackRootForWriting(context, packId);
  const target = targetPath(from, to, root.isDirectory(to));
  root.move(from, target, options["no-overwrite"] === true);
  return { from, to: target };
}
