import { AuroraError } from "../../errors.ts";
import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

type Result = { paths: string[]; executable: boolean };

/** `+x PATH…`, or with the option `-x` only paths: a word that begins with a dash is an option. */
export async function run(
  context: Context,
  { args: [packId = "", ...words], options }: Input<"not-executable">,
): Promise<Result> {
  const executable = options["not-executable"] !== true;
  const paths = executable ? words.slice(1) : words;
  if ((executable && words[0] !== "+x") || paths.length === 0)
    throw new AuroraError("usage", "chmod needs +x or -x, and then paths", {
      hint: `aurora vfs chmod ${packId} +x PATH`,
    });
  using vfs = await openPackVfs(context, packId, "read");
  for (const path of paths) await vfs.setExecutable(path, executable);
  return { paths, executable };
}
