import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

type Result = { created: string[] };

export async function run(
  context: Context,
  { args: [packId = "", ...paths], options }: Input<"durable" | "parents">,
): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "write");
  for (const path of paths)
    await vfs.makeDirectory(path, { hasParents: true, isDurable: options.durable === true });
  return { created: paths };
}
