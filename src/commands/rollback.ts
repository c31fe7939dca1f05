import { type ChangeResult, rollbackTarget } from "../lifecycle/change.ts";
import { type Context, type Input } from "./command.ts";
import { changeExitCode, renderChange } from "./shared/change-text.ts";
import { generationFlow, generationOption } from "./shared/generation-flow.ts";
import { checkPackId, openForWriting } from "./shared/workspace.ts";

type RollbackInput = Input<"retry", "to" | "approve" | "confirm-within">;

export async function run(
  context: Context,
  { args: [packId = ""], options }: RollbackInput,
): Promise<ChangeResult> {
  const to = options.to === undefined ? undefined : generationOption("--to", options.to);
  using workspace = openForWriting(context);
  const target = rollbackTarget(workspace, checkPackId(packId), to);
  return await generationFlow(context, workspace, "rollback", packId, target, {
    approve: options.approve,
    retry: options.retry === true,
    confirmWithin: options["confirm-within"],
  });
}

export const render = renderChange;
export const exitCode = changeExitCode;
