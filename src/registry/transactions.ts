import { type Registry } from "./registry.ts";

export type TransactionKind = "install" | "activate" | "rollback" | "remove";
export type TransactionState = "running" | "unconfirmed" | "committed" | "rolled-back" | "stuck";

export type TransactionRow = {
  id: string;
  kind: TransactionKind;
  state: TransactionState;
  /** JSON: the steps and what was there before; all that recovery needs. */
  plan: string;
  plan_digest: string;
  approved_by: string | null;
  approved_at: string | null;
  created_at: string;
  finished_at: string | null;
  reason: string | null;
  /** JSON: what is left to remove after the end; null when nothing is. */
  cleanup: string | null;
  /** JSON: the deadline of `--confirm-within`; null without one. */
  confirm: string | null;
};

export type JournalStatus =
  "begin" | "done" | "failed" | "undo-begin" | "undo-put-off" | "undo-done" | "undo-failed" | "abort";

export type JournalRow = {
  transaction_id: string;
  seq: number;
  /** Index into the plan's steps; -1 for an entry about the whole transaction. */
  step: number;
  status: JournalStatus;
  at: string;
  /** JSON or null. */
  detail: string | null;
};

export function insertTransaction(registry: Registry, row: TransactionRow, packIds: readonly string[]): void {
  registry.run(
    `INSERT INTO transactions (id, kind, state, plan, plan_digest, approved_by, approved_at, created_at, finished_at, reason,
       cleanup, confirm) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.id,
    row.kind,
    row.state,
    row.plan,
    row.plan_digest,
    row.approved_by,
    row.approved_at,
    row.created_at,
    row.finished_at,
    row.reason,
    row.cleanup,
    row.confirm,
  );
  for (const packId of packIds)
    registry.run("INSERT INTO transaction_packs (transaction_id, pack_id) VALUES (?, ?)", row.id, packId);
}

/**
 * Transactions that are not at their end: at work, crashed, waiting for a confirmation, or with something to clean up. In the
 * order in which they began, whatever a clock said then.
 */
export function openTransactions(registry: Registry): TransactionRow[] {
  return registry.all<TransactionRow>(
    "SELECT * FROM transactions WHERE finished_at IS NULL OR cleanup IS NOT NULL ORDER BY rowid",
  );
}

export function transactionById(registry: Registry, id: string): TransactionRow | undefined {
  return registry.get<TransactionRow>("SELECT * FROM transactions WHERE id = ?", id);
}

/** The newest transaction that has to do with a pack. */
export function lastTransaction(registry: Registry, packId: string): TransactionRow | undefined {
  return registry.get<TransactionRow>(
    `SELECT transactions.* FROM transactions JOIN transaction_packs ON transactions.id = transaction_id
     WHERE pack_id = ? ORDER BY transactions.rowid DESC LIMIT 1`,
    packId,
  );
}

/** Whether a transaction is at work on a pack, forward or back. One that only waits for its confirmation is not. */
export function isPackChanging(registry: Registry, packId: string): boolean {
  return (
    registry.get(
      `SELECT 1 FROM transactions JOIN transaction_packs ON transactions.id = transaction_id
       WHERE pack_id = ? AND finished_at IS NULL AND (state = 'running' OR EXISTS
         (SELECT 1 FROM journal WHERE journal.transaction_id = transactions.id AND status IN ('abort', 'failed')))`,
      packId,
    ) !== undefined
  );
}

export function updateTransaction(
  registry: Registry,
  id: string,
  change: Pick<TransactionRow, "state" | "plan" | "finished_at" | "reason" | "cleanup" | "confirm">,
): void {
  registry.run(
    "UPDATE transactions SET state = ?, plan = ?, finished_at = ?, reason = ?, cleanup = ?, confirm = ? WHERE id = ?",
    change.state,
    change.plan,
    change.finished_at,
    change.reason,
    change.cleanup,
    change.confirm,
    id,
  );
}

export function appendJournal(registry: Registry, entry: Omit<JournalRow, "seq">): void {
  registry.run(
    `INSERT INTO journal (transaction_id, seq, step, status, at, detail)
     VALUES (?1, (SELECT coalesce(max(seq), 0) + 1 FROM journal WHERE transaction_id = ?1), ?2, ?3, ?4, ?5)`,
    entry.transaction_id,
    entry.step,
    entry.status,
    entry.at,
    entry.detail,
  );
}

export function journalOf(registry: Registry, transactionId: string): JournalRow[] {
  return registry.all<JournalRow>(
    "SELECT * FROM journal WHERE transaction_id = ? ORDER BY seq",
    transactionId,
  );
}
