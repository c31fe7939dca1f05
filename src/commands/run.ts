import { statSync } from "node:fs";
import { resolve } from "node:path";

import { AuroraError } from "../errors.ts";
import { isScript, runtimeArgv } from "../process/script-argv.ts";
import { type Context, type Input } from "./command.ts";
import { commandExitCode, type CommandResult, runCommand, withOwnFailures } from "./shared/run-command.ts";

/** Runs a script of the user's, in the current directory and with the user's environment. */
export async function run(context: Context, { args }: Input): Promise<CommandResult> {
  const [name = "", ...rest] = args;
  if (!isScript(name))
    throw new AuroraError("usage", `cannot run "${name}": it is neither TypeScript nor JavaScript`, {
      hint: "its name has to end in .ts, .mts, .js or .mjs",
    });
  const file = resolve(context.cwd, name);
  return await withOwnFailures(async () => {
    checkFile(file, name);
    const { argv, env } = runtimeArgv(file);
    const own = Object.entries(context.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    return await runCommand(context, {
      argv: [...argv, ...rest],
      cwd: context.cwd,
      env: { ...Object.fromEntries(own), ...env },
    });
  });
}

export function render(): string {
  return "";
}

export const exitCode = commandExitCode;

function checkFile(file: string, name: string): void {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat)
    throw new AuroraError("command-not-found", `cannot run "${name}": it was not found`, {
      hint: "check the path",
    });
  if (!stat.isFile()) throw new AuroraError("not-executable", `cannot run "${name}": it is no regular file`);
}
