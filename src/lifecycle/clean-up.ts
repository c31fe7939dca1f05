import { toAuroraError } from "../errors.ts";
import { removeTreeDurably } from "../system/scratch.ts";
import { removeMemoryDirectories } from "../vfs/tmpfs-directory.ts";
import { dropSnapshots } from "./data-snapshot.ts";
import { writeGenerationRecords } from "./generation-record.ts";
import { isPassingError } from "./passing-error.ts";
import { type TransactionPlan } from "./steps.ts";
import { type Workspace } from "./workspace.ts";

/** What is left to do after a transaction's end, as its row keeps it until it is done. */
export type Cleanup = {
  /** Packs of which everything goes. */
  purge: string[];
  /** Packs whose snapshot of this transaction goes. */
  snapshots: string[];
};

/** Where something could not be put back, the snapshots stay: they may be all that is left of the data. */
export function cleanupOf(plan: TransactionPlan, state: "committed" | "rolled-back" | "stuck"): Cleanup {
  const packIds = plan.packs.map(({ pack_id }) => pack_id);
  return {
    purge: plan.purge && state === "committed" ? packIds : [],
    snapshots: state === "stuck" ? [] : packIds,
  };
}

/**
 * After the end: writes the records of the new generations and removes what nobody needs any more. Can be done again after a
 * crash in its middle. The transaction has ended: what a full disk stops here is only put off.
 */
export function cleanUp(workspace: Workspace, transactionId: string, { purge, snapshots }: Cleanup): void {
  const { paths, registry } = workspace;
  try {
    writeGenerationRecords(workspace, transactionId);
    for (const packId of snapshots) dropSnapshots(paths, packId, transactionId);
    for (const packId of purge) {
      for (const path of [paths.dataOf(packId), paths.logsOf(packId), paths.snapshotsOf(packId)])
        removeTreeDurably(path);
      removeMemoryDirectories(paths.dataOf(packId), process.geteuid?.() ?? 0);
    }
    registry.run("UPDATE transactions SET cleanup = NULL WHERE id = ?", transactionId);
  } catch (thrown) {
    const error = toAuroraError(thrown);
    if (!isPassingError(error)) throw error;
    workspace.warn(`the next command cleans up: ${error.message}`);
  }
}
