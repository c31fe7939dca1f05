import { AuroraError, toAuroraError } from "../../errors.ts";
import { type ActedPack, actedPacks } from "../../lifecycle/acted-packs.ts";
import { type LivePack } from "../../lifecycle/live-pack.ts";
import { isRunning, stopHosted, stopPacks } from "../../lifecycle/start-packs.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { type Context } from "../command.ts";
import { selectWithDependents } from "./packs.ts";
import { openForReading, withHomeLock } from "./workspace.ts";

type Before = Pick<ActedPack, "pack_id" | "changed">;

type Asked = {
  packIds: readonly string[];
  /** Those that depend on them and run are stopped as well. */
  dependents: boolean;
};

/** Stops packs, dependents first; also where nothing can be written. */
export async function stopFlow(context: Context, asked: Asked): Promise<ActedPack[]> {
  try {
    return await stop(context, asked);
  } catch (thrown) {
    if (whyUnwritable(thrown) === undefined || context.noDaemon) throw thrown;
    return await stopUnwritten(context, asked, thrown);
  }
}

/** What has to be done before anything can be written again; undefined where that is not what is wrong. */
function whyUnwritable(thrown: unknown): string | undefined {
  const { code, cause } = toAuroraError(thrown);
  if (code === "no-space") return "free some space";
  // So a kernel leaves a disk that has failed.
  const isReadOnly = (cause as NodeJS.ErrnoException | undefined)?.code === "EROFS";
  return isReadOnly ? "mount the home's file system for writing" : undefined;
}

function stop(context: Context, asked: Asked, known?: readonly Before[]): Promise<ActedPack[]> {
  return withHomeLock(context, `stop ${asked.packIds.join(" ")}`, async (workspace) => {
    const selected = selectWithDependents(workspace, asked.packIds, asked.dependents);
    const before = known ?? beforeStop(workspace, selected);
    await stopPacks(
      workspace,
      selected.map(({ script }) => script),
    );
    return actedPacks(workspace, before);
  });
}

/**
 * What fills the disk may be the very service that is to stop. The daemon stops it without anything being written; then there may be
 * room to write that down.
 *
 * @param unwritable what was thrown
 */
async function stopUnwritten(
  context: Context,
  { packIds, dependents }: Asked,
  unwritable: unknown,
): Promise<ActedPack[]> {
  let before: Before[];
  let stopped: string[];
  {
    using workspace = await openForReading(context);
    const selected = selectWithDependents(workspace, packIds, dependents);
    before = beforeStop(workspace, selected);
    stopped = await stopHosted(
      workspace,
      selected.map(({ script }) => script),
    );
  }
  if (stopped.length === 0) throw unwritable;
  try {
    // By their names: what depended on them does not run any more.
    const all = { packIds: before.map(({ pack_id: packId }) => packId), dependents: false };
    return await stop(context, all, before);
  } catch (thrown) {
    const { code, message } = toAuroraError(thrown);
    const remedy = whyUnwritable(thrown);
    if (remedy === undefined) throw thrown;
    const names = stopped.map((packId) => `"${packId}"`).join(", ");
    throw new AuroraError(code, `${names} does not run any more, but that cannot be written down`, {
      cause: thrown,
      diagnostics: [{ message }],
      hint: `${remedy} and run the command again: the next daemon would start it`,
    });
  }
}

function beforeStop(workspace: Workspace, selected: readonly LivePack[]): Before[] {
  return selected.map(({ row: { pack_id: packId } }) => ({
    pack_id: packId,
    changed: isRunning(workspace, packId),
  }));
}
