import { type Context, type Input } from "../command.ts";
import { openPackRootForWriting } from "../shared/pack-root.ts";

type Result = { created: string[] };

export async function run(context: Context, { args: [packId = "", ...paths] }: Input): Promise<Result> {
  using root = await openPackRootForWriting(context, packId);
  for (const path of paths) root.makeDirectory(path);
  return { created: paths };
}
