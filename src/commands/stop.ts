import { type ActedPack, actedPacks } from "../lifecycle/acted-packs.ts";
import { isRunning, stopPacks } from "../lifecycle/start-packs.ts";
import { type Context, type Input } from "./command.ts";
import { renderActed } from "./shared/acted-text.ts";
import { selectLivePacks } from "./shared/packs.ts";
import { withHomeLock } from "./shared/workspace.ts";

export function run(context: Context, { args }: Input): Promise<ActedPack[]> {
  return withHomeLock(context, `stop ${args.join(" ")}`, async (workspace) => {
    const packs = selectLivePacks(workspace, args).map(({ script }) => script);
    const before = packs.map(({ manifest }) => ({
      pack_id: manifest.pack.id,
      changed: isRunning(workspace, manifest.pack.id),
    }));
    await stopPacks(workspace, packs);
    return actedPacks(workspace, before);
  });
}

export const render = renderActed;
