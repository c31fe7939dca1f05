import { type Context, type Input } from "../command.ts";
import { openPackRootForWriting } from "../shared/pack-root.ts";

type Result = { path: string; written_bytes: number };

export async function run(context: Context, { args: [packId = "", path = ""] }: Input): Promise<Result> {
  using root = await openPackRootForWriting(context, packId);
  return { path, written_bytes: await root.append(path, context.stdin.chunks()) };
}
