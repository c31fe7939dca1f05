import { type PlanDocument } from "../lifecycle/plan-document.ts";
import { prepareChange } from "../lifecycle/prepare.ts";
import { scanSource } from "../lifecycle/scan-source.ts";
import { type Context, type Input } from "./command.ts";
import { planText } from "./shared/plan-text.ts";
import { findSource, resolveSource } from "./shared/sources.ts";
import { openForReading } from "./shared/workspace.ts";

export async function run(
  context: Context,
  { args, options }: Input<"retry" | "allow-all" | "require-confinement">,
): Promise<PlanDocument> {
  using workspace = await openForReading(context);
  workspace.requireConfinement = options["require-confinement"] === true;
  const prepared = await prepareChange(
    workspace,
    "install",
    args.map((source) => resolveSource(context, source)),
    (source) => scanSource(workspace, source),
    (packId) => findSource(context, packId),
    { retry: options.retry === true, allowAll: options["allow-all"] === true },
  );
  return prepared.document;
}

export function render(document: PlanDocument): string {
  return planText(document);
}
