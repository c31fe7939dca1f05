import { AuroraError } from "../../errors.ts";
import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

/** Writes a tar archive to stdout, which has no JSON form. */
export async function run(context: Context, { args: [packId = "", path = "/"] }: Input): Promise<undefined> {
  if (context.json)
    throw new AuroraError("usage", "an archive cannot be printed as JSON", { hint: "leave out --json" });
  if (context.stdout.isTerminal)
    throw new AuroraError("usage", "an archive does not belong on a terminal", {
      hint: `aurora vfs export ${packId} > ${packId}.tar`,
    });
  using vfs = await openPackVfs(context, packId, "read");
  for (const part of vfs.exportTar(path, (message) => context.log.warn(message))) context.stdout.write(part);
}
