import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

type Result = { path: string; written_bytes: number };

/** Says nothing to people, as `cp` and `tee` do not. */
export async function run(
  context: Context,
  { args: [packId = "", path = ""], options }: Input<"no-overwrite" | "durable">,
): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "write");
  const written = await vfs.write(
    path,
    context.stdin.chunks(),
    {
      hasParents: true,
      isNew: options["no-overwrite"] === true,
      isDurable: options.durable === true,
    },
    context.signal,
  );
  return { path, written_bytes: written };
}
