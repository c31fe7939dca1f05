import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

type Result = { path: string; target: string };

export async function run(
  context: Context,
  { args: [packId = "", target = "", path = ""], options }: Input<"durable">,
): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "write");
  await vfs.symlink(target, path, options.durable === true);
  return { path, target };
}
