import { planOf } from "../lifecycle/confirmation.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { openTransactions } from "../registry/transactions.ts";

/** Whether a transaction is at work on a pack, or has been interrupted in the middle of it. */
export function isInTransaction({ registry }: Pick<Workspace, "registry">, packId: string): boolean {
  return openTransactions(registry).some(
    ({ state, plan }) => state === "running" && planOf(plan).packs.some((pack) => pack.pack_id === packId),
  );
}
