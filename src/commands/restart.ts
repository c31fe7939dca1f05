import { type ActedPack, actedPacks } from "../lifecycle/acted-packs.ts";
import { restartPacks } from "../lifecycle/start-packs.ts";
import { type Context, type Input } from "./command.ts";
import { renderActed } from "./shared/acted-text.ts";
import { selectWithDependents } from "./shared/packs.ts";
import { withHomeLock } from "./shared/workspace.ts";

export function run(context: Context, { args, options }: Input<"dependents">): Promise<ActedPack[]> {
  return withHomeLock(context, `restart ${args.join(" ")}`, async (workspace) => {
    const selected = selectWithDependents(workspace, args, options.dependents === true);
    const packs = selected.map(({ script }) => script);
    return actedPacks(workspace, await restartPacks(workspace, packs));
  });
}

export const render = renderActed;
