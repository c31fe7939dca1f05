import { type ActedPack, actedPacks } from "../../lifecycle/acted-packs.ts";
import { startHealthy, startPacks } from "../../lifecycle/start-packs.ts";
import { type Context } from "../command.ts";
import { selectLivePacks } from "./packs.ts";
import { withHomeLock } from "./workspace.ts";

/** Starts packs; with `waitsForHealth` each has to be healthy before the next. */
export function startFlow(
  context: Context,
  packIds: readonly string[],
  waitsForHealth: boolean,
): Promise<ActedPack[]> {
  return withHomeLock(context, `start ${packIds.join(" ")}`, async (workspace) => {
    const packs = selectLivePacks(workspace, packIds).map(({ script }) => script);
    const start = waitsForHealth ? startHealthy : startPacks;
    return actedPacks(workspace, await start(workspace, packs));
  });
}
