import { type ActedPack, actedPacks } from "../lifecycle/acted-packs.ts";
import { startPacks, stopPacks } from "../lifecycle/start-packs.ts";
import { type Context, type Input } from "./command.ts";
import { renderActed } from "./shared/acted-text.ts";
import { selectLivePacks } from "./shared/packs.ts";
import { withHomeLock } from "./shared/workspace.ts";

export function run(context: Context, { args }: Input): Promise<ActedPack[]> {
  return withHomeLock(context, `restart ${args.join(" ")}`, async (workspace) => {
    const packs = selectLivePacks(workspace, args).map(({ script }) => script);
    await stopPacks(workspace, packs);
    return actedPacks(workspace, await startPacks(workspace, packs));
  });
}

export const render = renderActed;
