import { type ChangeResult } from "../lifecycle/change.ts";
import { type Context, type Input } from "./command.ts";
import { changeExitCode, renderChange } from "./shared/change-text.ts";
import { generationFlow, generationOption } from "./shared/generation-flow.ts";
import { checkPackId, openForWriting } from "./shared/workspace.ts";

type ActivateInput = Input<"retry", "generation" | "approve" | "confirm-within">;

export async function run(
  context: Context,
  { args: [packId = ""], options }: ActivateInput,
): Promise<ChangeResult> {
  const generation = generationOption("--generation", options.generation);
  using workspace = openForWriting(context);
  return await generationFlow(context, workspace, "activate", checkPackId(packId), generation, {
    approve: options.approve,
    retry: options.retry === true,
    confirmWithin: options["confirm-within"],
  });
}

export const render = renderChange;
export const exitCode = changeExitCode;
