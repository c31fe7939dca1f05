import { AuroraError } from "../errors.ts";
import { type Fault, operations } from "../lifecycle/selftest/operations.ts";
import { listenToChanges } from "../system/changes.ts";
import { errnoError } from "../system/libc.ts";
import { type Context, type Input, type InputOf, type Options } from "./command.ts";
import { commands } from "./table.ts";

type Result = { steps: number; exit_code: number };

/** What the self test makes, and nobody else: nothing but such a home is ever crashed. */
const SCRATCH_HOME = /\/tmp\/selftest-[0-9a-f]+\/[a-z0-9]+\/home$/;
const faults: readonly Fault[] = ["none", "kill", "no-space", "io"];
const EIO = 5;
const ENOSPC = 28;
/** What a full disk still allows. */
const TAKES_NO_SPACE = new Set(["chmod", "fchmod", "rm", "unlink"]);

/** One change of the self test, which stops or fails at one of its steps. */
export async function run(
  context: Context,
  { args: [fault = "", at = "", name = "", packs = ""] }: Input,
): Promise<Result> {
  const operation = operations.find((known) => known.name === name);
  const spec = commands.find((known) => known.name === operation?.command);
  if (!SCRATCH_HOME.test(context.home) || !operation || !spec || !faults.some((known) => known === fault))
    throw new AuroraError("usage", "this is a part of aurora doctor --selftest, and works only inside it");
  let steps = 0;
  listenToChanges((call) => {
    steps++;
    if (fault === "kill" && steps === Number(at)) process.kill(process.pid, "SIGKILL");
    if (fault === "io" && steps === Number(at)) throw errnoError(EIO, call);
    if (fault === "no-space" && steps >= Number(at) && !TAKES_NO_SPACE.has(call))
      throw errnoError(ENOSPC, call);
  });
  const input: InputOf<Options> = {
    args: operation.args.map((word) => word.replace("PACKS", packs)),
    rest: operation.rest ?? [],
    options: (operation.options ?? {}) as unknown as InputOf<Options>["options"],
  };
  const module = await spec.load();
  const result = await module.run(context, input);
  return { steps, exit_code: module.exitCode?.(result, input) ?? 0 };
}

export function exitCode({ exit_code }: Result): number {
  return exit_code;
}
