import { AuroraError } from "../../errors.ts";
import { type Vfs } from "../../vfs/vfs.ts";
import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { commandExitCode, type CommandResult, runCommand, withOwnFailures } from "../shared/run-command.ts";

/** As flock(1): the file is created where it is not there, and the command's exit code is passed on. */
export async function run(
  context: Context,
  { args: [packId = "", path = ""], rest, options }: Input<"shared">,
): Promise<CommandResult> {
  if (rest.length === 0)
    throw new AuroraError("usage", '"vfs lock" needs a command after "--"', {
      hint: `aurora vfs lock ${packId} ${path} -- CMD…`,
    });
  using vfs = await openPackVfs(context, packId, "write");
  await createIfAbsent(vfs, path);
  using _lock = await vfs.lock(path, options.shared === true ? "shared" : "exclusive", context.waitMs);
  const own = Object.entries(context.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return await withOwnFailures(
    async () =>
      await runCommand(context, { argv: [...rest], cwd: context.cwd, env: Object.fromEntries(own) }),
  );
}

async function createIfAbsent(vfs: Vfs, path: string): Promise<void> {
  if (vfs.sync.statIfThere(path)) return;
  try {
    await vfs.create(path, "", { hasParents: true });
  } catch (thrown) {
    // Somebody else who wants the lock was quicker.
    if (!(thrown instanceof AuroraError) || thrown.code !== "exists") throw thrown;
  }
}

export function render(): string {
  return "";
}

export const exitCode = commandExitCode;
