import { type Context, type Input } from "../command.ts";
import { openPackRoot } from "../shared/pack-root.ts";
import { requireRoot } from "../shared/vfs-paths.ts";

type Result = { removed: string[] };

export async function run(
  context: Context,
  { args: [packId = "", ...paths], options }: Input<"recursive">,
): Promise<Result> {
  using root = await openPackRoot(context, packId, false);
  for (const path of paths) {
    if (root) root.remove(path, options.recursive === true);
    else requireRoot(path, undefined);
  }
  return { removed: paths };
}
