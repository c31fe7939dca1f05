import { openTransactions } from "../registry/transactions.ts";
import { sweepTemporaryNames } from "../system/durable.ts";
import { sweepScratch } from "../system/scratch.ts";
import { holdStaging, takeHomeLock } from "./home-lock.ts";
import { type TransactionEnd } from "./transaction.ts";
import { type Workspace } from "./workspace.ts";

/** Finishes open transactions and removes the scratch of the dead. The caller holds the lock. */
export async function settle(workspace: Workspace): Promise<TransactionEnd[]> {
  // Each is loaded where it is needed: nearly always there is nothing to finish.
  const isOpen = openTransactions(workspace.registry).length > 0;
  const ends = isOpen ? await (await import("./transaction.ts")).settleTransactions(workspace) : [];
  sweepScratch(workspace.paths.tmp);
  sweepTemporaryNames(workspace.paths.live);
  {
    // Whoever stages right now is between two names of the store; then there is nothing of a crash to look for.
    using staging = holdStaging(workspace.paths, "exclusive");
    if (staging) (await import("../store/sweep-store.ts")).sweepStore(workspace.paths);
  }
  for (const { transaction, state, reason } of ends)
    workspace.warn(
      `finished an interrupted transaction (${transaction.slice(0, 8)}): ${state}${reason ? `, ${reason}` : ""}`,
    );
  return ends;
}

/**
 * Takes the home's lock, finishes what a crash has left, and then does `work`: how everything runs that changes what is live.
 *
 * @param description what is to be done, for those who wait: "install pack03_os_base"
 */
export async function withLockedHome<T>(
  workspace: Workspace,
  description: string,
  waitMs: number,
  work: (workspace: Workspace) => Promise<T>,
): Promise<T> {
  using lock = await takeHomeLock(workspace, description, waitMs);
  const { underLock: _, ...opened } = workspace;
  const locked: Workspace = { ...opened, lockToken: lock.token };
  await settle(locked);
  return await work(locked);
}
