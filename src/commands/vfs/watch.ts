import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { shownName } from "../shared/vfs-paths.ts";

/** Until a signal ends it: one line for each change. */
export async function run(context: Context, { args: [packId = "", path = "/"] }: Input): Promise<undefined> {
  using vfs = await openPackVfs(context, packId, "read");
  for await (const { type, name } of vfs.watch(path, context.signal)) {
    const at = context.now().toISOString();
    context.stdout.write(
      context.json
        ? `${JSON.stringify({ at, type, name })}\n`
        : `${at} ${type} ${name === null ? "-" : shownName({ name })}\n`,
    );
  }
}
