import { type ChangeResult } from "../lifecycle/change.ts";
import { type Context, type Input } from "./command.ts";
import { changeExitCode, renderChange } from "./shared/change-text.ts";
import { installFlow } from "./shared/install-flow.ts";

type InstallInput = Input<
  "no-start" | "retry" | "allow-all" | "require-confinement",
  "approve" | "confirm-within"
>;

export function run(context: Context, { args, options }: InstallInput): Promise<ChangeResult> {
  return installFlow(context, args, {
    approve: options.approve,
    retry: options.retry === true,
    allowAll: options["allow-all"] === true,
    requireConfinement: options["require-confinement"] === true,
    confirmWithin: options["confirm-within"],
    change: { start: options["no-start"] !== true },
  });
}

export const render = renderChange;
export const exitCode = changeExitCode;
