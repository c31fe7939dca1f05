import { waitForLook } from "../lifecycle/home-lock.ts";
import { verifyPacks, type VerifyReport } from "../lifecycle/verify-home.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { isInsideTransaction, openForReading } from "./shared/workspace.ts";

export async function run(context: Context, { args, options }: Input<"fast">): Promise<VerifyReport> {
  using workspace = await openForReading(context);
  const sound = new Set<string>();
  const look = () => verifyPacks(workspace, args, options.fast !== true, sound);
  const report = await look();
  if (report.ok || isInsideTransaction(context)) return report;
  // A transaction in its middle is no damage: what is wrong has to be wrong while nobody is at work.
  using _hold = await waitForLook(workspace, "verify", context.waitMs);
  return workspace.registry.isChangedByOthers ? await look() : report;
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
