import { AuroraError } from "../../errors.ts";
import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

type Result = { removed: string[] };

export async function run(
  context: Context,
  { args: [packId = "", ...paths], options }: Input<"recursive" | "force" | "durable">,
): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "read");
  const removed: string[] = [];
  for (const path of paths) {
    try {
      await vfs.remove(path, options.recursive === true, options.durable === true);
      removed.push(path);
    } catch (thrown) {
      if (!(thrown instanceof AuroraError)) throw thrown;
      if (thrown.code === "not-empty")
        throw new AuroraError(thrown.code, thrown.message, { hint: "-r removes it with all that is in it" });
      if (!options.force || thrown.code !== "not-found") throw thrown;
    }
  }
  return { removed };
}
