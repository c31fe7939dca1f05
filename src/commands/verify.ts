import { verifyPacks, type VerifyReport } from "../lifecycle/verify-home.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { openForReading } from "./shared/workspace.ts";

export async function run(context: Context, { args, options }: Input<"fast">): Promise<VerifyReport> {
  using workspace = await openForReading(context);
  return await verifyPacks(workspace, args, options.fast !== true);
}

export function render({ packs, problems }: VerifyReport, paint: Paint): string {
  const lines = packs.flatMap(({ pack_id, version, ok, problems: found }) => [
    `${pack_id} ${version}  ${ok ? paint.green("ok") : paint.red("damaged")}`,
    ...found.map((problem) => `  ${problem}`),
  ]);
  const home = problems.map((problem) => paint.red(problem));
  return lines.length === 0 && home.length === 0 ? "nothing is installed" : [...lines, ...home].join("\n");
}

export function exitCode({ ok }: VerifyReport): number {
  return ok ? 0 : 7;
}
