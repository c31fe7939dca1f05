import { AuroraError } from "../../errors.ts";
import { type WatchEvent } from "../../vfs/mount.ts";
import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { shownName } from "../shared/vfs-paths.ts";

/** Until a signal ends it, or what it watches is gone: one line for each change. */
export async function run(context: Context, { args: [packId = "", path = "/"] }: Input): Promise<undefined> {
  for await (const { type, name } of await changesOf(context, packId, path)) {
    const at = context.now().toISOString();
    context.stdout.write(
      context.json
        ? `${JSON.stringify({ at, type, name })}\n`
        : `${at} ${type} ${name === null ? "-" : shownName({ name })}\n`,
    );
  }
  if (context.signal.aborted) return;
  throw new AuroraError(
    "not-found",
    `"${path}" of "${packId}" is gone, and what has come in its place is not watched`,
  );
}

/** The root is let go at once: a directory that somebody holds open is never gone. */
async function changesOf(
  context: Context,
  packId: string,
  path: string,
): Promise<AsyncGenerator<WatchEvent>> {
  using vfs = await openPackVfs(context, packId, "read");
  return vfs.watch(path, context.signal);
}
