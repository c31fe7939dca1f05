import { AuroraError } from "../errors.ts";
import { openTransactions } from "../registry/transactions.ts";
import { sweepTemporaryNames } from "../system/durable.ts";
import { sweepScratch } from "../system/scratch.ts";
import { holdStaging, type HomeLock, takeHomeLock, tryHomeLock } from "./home-lock.ts";
import { type TransactionEnd } from "./transaction.ts";
import { type Workspace } from "./workspace.ts";

/** Finishes open transactions and removes the scratch of the dead, under the lock. */
async function settle(workspace: Workspace): Promise<TransactionEnd[]> {
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
 * @param work gets the workspace under the lock, and the ends of what was interrupted
 * @throws {AuroraError} `locked`; `conflict` where the registry was remade while it was waited for
 */
export async function withLockedHome<T>(
  workspace: Workspace,
  description: string,
  waitMs: number,
  work: (workspace: Workspace, ended: TransactionEnd[]) => Promise<T>,
): Promise<T> {
  using lock = await takeHomeLock(workspace, description, waitMs);
  refuseReplaced(workspace);
  const locked = underHeldLock(workspace, lock);
  return await work(locked, await settle(locked));
}

/**
 * Finishes what a crash has left, where nobody is at work: a held lock means that somebody is at work on it, so that nothing was
 * interrupted.
 */
export async function settleIfIdle(workspace: Workspace): Promise<void> {
  using lock = tryHomeLock(workspace, "recover");
  if (!lock) return;
  refuseReplaced(workspace);
  await settle(underHeldLock(workspace, lock));
}

/**
 * The workspace of whoever holds the lock, and the only way to one: its scripts know that they are part of this, and what they
 * ask for is done at once. One that still took the lock would wait for itself.
 */
export function underHeldLock(workspace: Workspace, lock: HomeLock): Workspace {
  const { underLock: _, ...opened } = workspace;
  return { ...opened, lockToken: lock.token };
}

/** What is written to a registry that is not the home's any more, nobody sees. */
function refuseReplaced({ registry }: Workspace): void {
  if (!registry.isReplaced) return;
  throw new AuroraError("conflict", "cannot change the home: its registry was remade just now", {
    hint: "try again",
  });
}
