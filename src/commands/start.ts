import { type ActedPack, actedPacks } from "../lifecycle/acted-packs.ts";
import { startHealthy, startPacks } from "../lifecycle/start-packs.ts";
import { type Context, type Input } from "./command.ts";
import { renderActed } from "./shared/acted-text.ts";
import { selectLivePacks } from "./shared/packs.ts";
import { withHomeLock } from "./shared/workspace.ts";

export function run(context: Context, { args, options }: Input<"wait-healthy">): Promise<ActedPack[]> {
  return withHomeLock(context, `start ${args.join(" ")}`, async (workspace) => {
    const packs = selectLivePacks(workspace, args).map(({ script }) => script);
    const start = options["wait-healthy"] === true ? startHealthy : startPacks;
    return actedPacks(workspace, await start(workspace, packs));
  });
}

export const render = renderActed;
