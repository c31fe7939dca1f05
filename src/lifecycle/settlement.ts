import { type Registry } from "../registry/registry.ts";
import { journalOf, openTransactions, type TransactionRow } from "../registry/transactions.ts";
import { type BootTime } from "../system/boot.ts";
import { type HomePaths } from "../system/home.ts";
import { isScratchLeft } from "../system/scratch.ts";
import { confirmationLeftMs } from "./confirmation.ts";
import { type JournalEntry } from "./runner.ts";

/**
 * What recovery does with an open transaction.
 *
 * | settlement | when |
 * | --- | --- |
 * | clean-up | it has ended; only leftovers remain |
 * | go-on | it was going back already: nothing but its end can stop that |
 * | wait | it is live and may still be confirmed |
 * | abort | it was interrupted before its commit, or not confirmed in time |
 */
export type Settlement = "clean-up" | "go-on" | "wait" | "abort";

/**
 * Decides how an open transaction goes on, from what is recorded alone. That it was going back counts before the deadline:
 * a reboot may move the deadline away, and a transaction that is half undone must not become one that waits again.
 */
export function settlementOf(
  row: Pick<TransactionRow, "state" | "finished_at" | "confirm">,
  journal: readonly JournalEntry[],
  boot: BootTime,
  now: Date,
): Settlement {
  if (row.finished_at !== null) return "clean-up";
  if (journal.some(({ status }) => status === "failed" || status === "abort")) return "go-on";
  if (row.state === "unconfirmed" && confirmationLeftMs(row, boot, now) > 0) return "wait";
  return "abort";
}

/**
 * Whether a crash has left anything: a transaction that goes on now, or the scratch of whoever died without one. Cheap, for the
 * start of every command.
 */
export function needsSettling(
  { registry, paths }: { registry: Registry; paths: HomePaths },
  boot: () => BootTime,
  now: Date,
): boolean {
  return (
    openTransactions(registry).some(
      (row) => settlementOf(row, journalOf(registry, row.id), boot(), now) !== "wait",
    ) || isScratchLeft(paths.tmp)
  );
}
