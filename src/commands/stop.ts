import { AuroraError, toAuroraError } from "../errors.ts";
import { type ActedPack, actedPacks } from "../lifecycle/acted-packs.ts";
import { isRunning, stopHosted, stopPacks } from "../lifecycle/start-packs.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { type Context, type Input } from "./command.ts";
import { renderActed } from "./shared/acted-text.ts";
import { selectLivePacks } from "./shared/packs.ts";
import { openForReading, withHomeLock } from "./shared/workspace.ts";

type Before = Pick<ActedPack, "pack_id" | "changed">;

export async function run(context: Context, { args }: Input): Promise<ActedPack[]> {
  try {
    return await stop(context, args);
  } catch (thrown) {
    if (toAuroraError(thrown).code !== "no-space" || context.noDaemon) throw thrown;
    return await stopOnFullDisk(context, args, thrown);
  }
}

function stop(context: Context, packIds: readonly string[], known?: readonly Before[]): Promise<ActedPack[]> {
  return withHomeLock(context, `stop ${packIds.join(" ")}`, async (workspace) => {
    const packs = selectLivePacks(workspace, packIds).map(({ script }) => script);
    const before = known ?? beforeStop(workspace, packIds);
    await stopPacks(workspace, packs);
    return actedPacks(workspace, before);
  });
}

/**
 * What fills the disk may be the very service that is to stop. The daemon stops it without anything being written; then there may be
 * room to write that down.
 *
 * @param full what was thrown
 */
async function stopOnFullDisk(
  context: Context,
  packIds: readonly string[],
  full: unknown,
): Promise<ActedPack[]> {
  let before: Before[];
  let stopped: string[];
  {
    using workspace = await openForReading(context);
    before = beforeStop(workspace, packIds);
    const packs = selectLivePacks(workspace, packIds).map(({ script }) => script);
    stopped = await stopHosted(workspace, packs);
  }
  if (stopped.length === 0) throw full;
  try {
    return await stop(context, packIds, before);
  } catch (thrown) {
    const error = toAuroraError(thrown);
    if (error.code !== "no-space") throw thrown;
    const names = stopped.map((packId) => `"${packId}"`).join(", ");
    throw new AuroraError("no-space", `${names} does not run any more, but that cannot be written down`, {
      cause: thrown,
      diagnostics: [{ message: error.message }],
      hint: "free some space and run the command again: the next daemon would start it",
    });
  }
}

function beforeStop(workspace: Workspace, packIds: readonly string[]): Before[] {
  return selectLivePacks(workspace, packIds).map(({ row: { pack_id: packId } }) => ({
    pack_id: packId,
    changed: isRunning(workspace, packId),
  }));
}

export const render = renderActed;
