import { type Context, type Input } from "../command.ts";
import { openPackRootForWriting } from "../shared/pack-root.ts";

type Result = { path: string; written_bytes: number };

/** Says nothing to people, as `cp` and `tee` do not. */
export async function run(
  context: Context,
  { args: [packId = "", path = ""], options }: Input<"no-overwrite" | "durable">,
): Promise<Result> {
  using root = await openPackRootForWriting(context, packId);
  const written = await root.write(path, context.stdin.chunks(), {
    isNew: options["no-overwrite"] === true,
    isDurable: options.durable === true,
  });
  return { path, written_bytes: written };
}
