import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

type Result = { path: string; written_bytes: number };

/** What comes is one record: it stays whole among those of others who append at the same time. */
export async function run(
  context: Context,
  { args: [packId = "", path = ""], options }: Input<"durable">,
): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "write");
  const written = await vfs.append(
    path,
    context.stdin.chunks(),
    { hasParents: true, isDurable: options.durable === true, waitMs: context.waitMs },
    context.signal,
  );
  return { path, written_bytes: written };
}
