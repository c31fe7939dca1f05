import { toAuroraError } from "../errors.ts";
import { endBackgroundOf } from "../process/background.ts";
import { removeTreeDurably } from "../system/scratch.ts";
import { removeMemoryDirectories } from "../vfs/tmpfs-directory.ts";
import { reviewSharedData } from "./data-mounts.ts";
import { dropSnapshot } from "./data-snapshot.ts";
import { writeGenerationRecords } from "./generation-record.ts";
import { isPassingError } from "./passing-error.ts";
import { type TransactionPlan } from "./steps.ts";
import { type Workspace } from "./workspace.ts";

/** What is left to do after a transaction's end, as its row keeps it until it is done. */
export type Cleanup = {
  /** Packs of which everything goes. */
  purge: string[];
  /** Packs that are not there any more: what they have in memory and in the background goes. Absent in what an older version has left to do. */
  gone?: string[];
  /** The snapshots that were taken, or begun: each goes, or stays for a later rollback and only its scraps go. */
  snapshots: { pack_id: string; generation: number; is_kept: boolean }[];
};

/** Where something could not be put back, the snapshots stay as they are: they may be all that is left of the data. */
export function cleanupOf(plan: TransactionPlan, state: "committed" | "rolled-back" | "stuck"): Cleanup {
  return {
    purge: plan.purge && state === "committed" ? plan.packs.map(({ pack_id }) => pack_id) : [],
    gone:
      state === "stuck"
        ? []
        : plan.packs
            .filter(({ from, to }) => (state === "committed" ? to : from) === null)
            .map(({ pack_id }) => pack_id),
    snapshots:
      state === "stuck"
        ? []
        : plan.packs.flatMap(({ pack_id, from }) =>
            from ? [{ pack_id, generation: from.generation, is_kept: state === "committed" }] : [],
          ),
  };
}

/**
 * After the end: writes the records of the new generations and removes what nobody needs any more. Can be done again after a
 * crash in its middle. The transaction has ended: what a full disk stops here is only put off.
 */
export async function cleanUp(
  workspace: Workspace,
  transactionId: string,
  { purge, gone = [], snapshots }: Cleanup,
): Promise<void> {
  const { paths, registry } = workspace;
  try {
    writeGenerationRecords(workspace, transactionId);
    for (const { pack_id, generation, is_kept } of snapshots)
      dropSnapshot(paths, pack_id, { generation, transactionId }, is_kept);
    const absent = new Set([...purge, ...gone]);
    for (const packId of absent) await endBackgroundOf(paths.background, packId);
    for (const packId of purge) {
      for (const path of [paths.dataOf(packId), paths.logsOf(packId), paths.snapshotsOf(packId)])
        removeTreeDurably(path);
    }
    for (const packId of absent) removeMemoryDirectories(paths.dataOf(packId), process.geteuid?.() ?? 0);
    reviewSharedData(workspace);
    registry.run("UPDATE transactions SET cleanup = NULL WHERE id = ?", transactionId);
  } catch (thrown) {
    const error = toAuroraError(thrown);
    if (!isPassingError(error)) throw error;
    workspace.warn(`the next command cleans up: ${error.message}`);
  }
}
