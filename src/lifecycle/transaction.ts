import { AuroraError, toAuroraError } from "../errors.ts";
import { appendEvent } from "../registry/events.ts";
import { parseColumn } from "../registry/json-column.ts";
import {
  appendJournal,
  insertTransaction,
  journalOf,
  type JournalRow,
  type JournalStatus,
  openTransactions,
  type TransactionKind,
  type TransactionState,
} from "../registry/transactions.ts";
import { bootTime } from "../system/boot.ts";
import { syncDirectory } from "../system/durable.ts";
import { type Cleanup, cleanUp, cleanupOf } from "./clean-up.ts";
import { confirmationFrom, planOf } from "./confirmation.ts";
import { endOrphanScripts } from "./orphan-scripts.ts";
import { isPassingError } from "./passing-error.ts";
import { isOnlyRecorded, type PerformContext, performStep, type StepDetail, undoStep } from "./perform.ts";
import { nextAction } from "./runner.ts";
import { settlementOf } from "./settlement.ts";
import { type TransactionPlan } from "./steps.ts";
import { recordCommit, recordConfirmation, recordWayBack } from "./transaction-record.ts";
import { isTaken } from "./verify-home.ts";
import { timestamp, type Workspace } from "./workspace.ts";

export type TransactionEnd = {
  transaction: string;
  state: Exclude<TransactionState, "running">;
  /** Why it did not commit, or null. */
  reason: string | null;
  /** It went back because something could not be confined. Not in the printed document, which has the reason. */
  [isDenied]?: boolean;
};

/** See `TransactionEnd`. */
export const isDenied: unique symbol = Symbol("is denied");

type JournalEntry = Omit<JournalRow, "seq">;

/** Approval as it is recorded: who approved which plan. */
export type Approval = { planDigest: string; by: string | null };

/**
 * Journals a transaction and runs it to its end: committed, or the old state again, or stuck. The caller holds the home's
 * lock and has settled what a crash left.
 *
 * @param options `confirmWithinMs`: the transaction is rolled back unless it is confirmed within this time; undefined: it is kept.
 *   `writeFirst` writes to the registry what becomes durable with the begin of the transaction
 * @param describe makes the result of the end before anything is cleaned up: on a full disk the registry may not be readable after
 *   that
 */
export async function runTransaction<T>(
  workspace: Workspace,
  kind: TransactionKind,
  plan: TransactionPlan,
  approval: Approval,
  { confirmWithinMs, writeFirst }: { confirmWithinMs: number | undefined; writeFirst?: () => void },
  describe: (end: TransactionEnd) => T,
): Promise<T> {
  for (const { pack_id } of plan.packs) refuseTakenLink(workspace, pack_id);
  const id = crypto.randomUUID();
  const at = timestamp(workspace);
  const open = () => {
    writeFirst?.();
    insertTransaction(
      workspace.registry,
      {
        id,
        kind,
        state: "running",
        plan: JSON.stringify(plan),
        plan_digest: approval.planDigest,
        approved_by: approval.by,
        approved_at: approval.by === null ? null : at,
        created_at: at,
        finished_at: null,
        reason: null,
        cleanup: null,
        confirm: confirmWithinMs === undefined ? null : confirmationFrom(confirmWithinMs, at),
      },
      plan.packs.map(({ pack_id }) => pack_id),
    );
    for (const { pack_id, to } of plan.packs)
      appendEvent(workspace.registry, {
        at,
        packId: pack_id,
        kind: "transaction-began",
        detail: { transaction: id, kind, generation: to?.generation ?? null },
      });
  };
  return await drive(workspace, id, kind, plan, { open, describe });
}

/** Neither the switch nor its undo could get past a directory: then nobody could change anything any more. */
function refuseTakenLink({ paths }: Workspace, packId: string): void {
  if (!isTaken(paths, packId)) return;
  throw new AuroraError(
    "state-invalid",
    `cannot change "${packId}": "${paths.liveLink(packId)}" is no link`,
    {
      hint: "it is not Aurora's: move it away and run the command again",
    },
  );
}

/**
 * Feeds the pure runner with the journal and does what it says, until the end.
 *
 * What need not be durable at once is written together with what follows from it: one flush of the database instead of two.
 * That is the transaction itself, until its first step begins; that a step has ended, since a crash in between finds a step that
 * was begun and has no end, which is undone like any other; and all of a step that changes nothing but the registry.
 *
 * @param open records a transaction that is new
 * @param describe see `runTransaction`
 */
async function drive<T>(
  workspace: Workspace,
  id: string,
  kind: TransactionKind,
  plan: TransactionPlan,
  { open, describe }: { open?: () => void; describe: (end: TransactionEnd) => T },
): Promise<T> {
  const { registry } = workspace;
  const unwritten = open ? [open] : [];
  const flush = () => {
    for (const write of unwritten.splice(0)) write();
  };
  const record = (write: () => void) => void unwritten.push(write);
  const context: PerformContext = { workspace, transactionId: id, plan, record };
  const journal: JournalEntry[] = open ? [] : journalOf(registry, id);
  const note = (step: number, status: JournalStatus, detail: StepDetail | null) => {
    const text = detail === null ? null : JSON.stringify(detail);
    const entry = { transaction_id: id, step, status, at: timestamp(workspace), detail: text };
    journal.push(entry);
    record(() => appendJournal(registry, entry));
  };

  const ended = async (end: TransactionEnd) => {
    const result = describe(end);
    if (end.state !== "unconfirmed") await cleanUp(workspace, id, cleanupOf(plan, end.state));
    return result;
  };

  for (;;) {
    const action = nextAction(plan.steps, journal);
    if (action.type === "commit") return ended(commit(workspace, id, kind, plan, flush));
    if (action.type === "finish-rolled-back")
      return ended(finishBack(workspace, id, plan, journal, "rolled-back", flush));
    if (action.type === "finish-stuck")
      return ended(finishBack(workspace, id, plan, journal, "stuck", flush));

    const step = plan.steps[action.step];
    if (!step) throw new Error("the runner named a step that the plan does not have");
    if (action.type === "undo") {
      note(action.step, "undo-begin", null);
      registry.write(flush);
      const detail = await reported(
        step.kind,
        () => undoStep(context, step),
        (error) => {
          leaveToNextCommand(error, () => {
            note(action.step, "undo-put-off", null);
            registry.write(flush);
          });
        },
      );
      note(action.step, detail.reason === null ? "undo-done" : "undo-failed", detail);
    } else if (workspace.signal.aborted) {
      note(-1, "abort", abortDetail(`stopped by ${String(workspace.signal.reason)}`));
      registry.write(flush);
    } else {
      workspace.info(`${step.kind} ${step.pack_id}`);
      note(action.step, "begin", null);
      if (!isOnlyRecorded(context, step)) registry.write(flush);
      const detail = await reported(step.kind, () => performStep(context, step));
      // A script that the operator's signal has ended did not fail by itself.
      if (detail.reason !== null && workspace.signal.aborted) {
        detail.reason = `stopped by ${String(workspace.signal.reason)}`;
        detail.is_not_its_own = true;
      }
      note(action.step, detail.reason === null ? "done" : "failed", detail);
    }
  }
}

/** A step that throws has failed; a bug in Aurora goes back like anything else, and says what it was. */
async function reported(
  name: string,
  work: () => Promise<StepDetail>,
  refuse: (error: AuroraError) => void = () => {},
): Promise<StepDetail> {
  try {
    return await work();
  } catch (thrown) {
    const error = toAuroraError(thrown);
    refuse(error);
    const details = error.diagnostics.map(({ message }) => message).join("\n");
    return {
      name,
      rc: null,
      duration_ms: 0,
      output_tail: details,
      reason: error.message,
      ...(error.code === "denied" ? { is_denied: true } : {}),
      ...(isPassingError(error) ? { is_not_its_own: true } : {}),
    };
  }
}

/** An undo that a full disk has stopped is not impossible: the transaction stays open, as after a crash. */
function leaveToNextCommand(error: AuroraError, noteIt: () => void): void {
  if (!isPassingError(error)) return;
  try {
    noteIt();
  } catch (thrown) {
    // Where not even that can be written, it counts as an attempt.
    if (!isPassingError(toAuroraError(thrown))) throw thrown;
  }
  throw new AuroraError(error.code, `cannot go back yet: ${error.message}`, {
    cause: error,
    hint: "aurora recover goes on with it, as every command does that changes something",
  });
}

function abortDetail(reason: string): StepDetail {
  return { name: "abort", rc: null, duration_ms: 0, output_tail: "", reason, is_not_its_own: true };
}

function commit(
  workspace: Workspace,
  id: string,
  kind: TransactionKind,
  plan: TransactionPlan,
  flushJournal: () => void,
): TransactionEnd {
  const state = recordCommit(workspace, id, kind, plan, flushJournal);
  return { transaction: id, state, reason: null };
}

function finishBack(
  workspace: Workspace,
  id: string,
  plan: TransactionPlan,
  journal: readonly JournalEntry[],
  state: "rolled-back" | "stuck",
  flushJournal: () => void,
): TransactionEnd {
  const failure = failureOf(plan, journal);
  recordWayBack(workspace, id, plan, { state, ...failure }, flushJournal);
  return { transaction: id, state, reason: failure.reason, [isDenied]: failure.isDenied };
}

/** Why a transaction went back, with the pack it concerns: the first thing that failed. `gate` is the pack whose health gate that was. */
function failureOf(
  plan: TransactionPlan,
  journal: readonly JournalEntry[],
): { reason: string; gate: string | undefined; isDenied: boolean } {
  const entry = journal.find(({ status }) => status === "failed" || status === "abort");
  const detail = entry?.detail ? parseColumn<StepDetail>("journal.detail", entry.detail) : undefined;
  const step = plan.steps[entry?.step ?? -1];
  const text = detail?.reason ?? "it was interrupted";
  return {
    reason: step ? `${step.pack_id}: ${text}` : text,
    gate: step?.kind === "health" && detail?.rc !== null ? step.pack_id : undefined,
    isDenied: detail?.is_denied === true,
  };
}

/** Keeps an unconfirmed transaction. Throws `not-found` where the pack has none. */
export async function confirmTransaction(workspace: Workspace, packId: string): Promise<TransactionEnd> {
  const row = openTransactions(workspace.registry).find(
    ({ state, plan }) =>
      state === "unconfirmed" && planOf(plan).packs.some((pack) => pack.pack_id === packId),
  );
  if (!row) throw new AuroraError("not-found", `there is nothing to confirm for "${packId}"`);
  const plan = planOf(row.plan);
  recordConfirmation(workspace, row.id, plan);
  await cleanUp(workspace, row.id, cleanupOf(plan, "committed"));
  return { transaction: row.id, state: "committed", reason: null };
}

/**
 * Brings every transaction to its end that a crash, a reboot or a missed confirmation has left open. The caller holds the
 * home's lock, so nobody is at work on them.
 *
 * @returns the ends, oldest first
 */
export async function settleTransactions(workspace: Workspace): Promise<TransactionEnd[]> {
  const ends: TransactionEnd[] = [];
  const untouched: Workspace = { ...workspace, signal: new AbortController().signal };
  for (const row of openTransactions(workspace.registry)) {
    const plan = planOf(row.plan);
    const journal = journalOf(workspace.registry, row.id);
    const settlement = settlementOf(row, journal, bootTime(), workspace.now());
    // Who wrote that it is live may have been killed before the flush that keeps it: what it allows to remove would be missed, and
    // what waits would be gone although recovery has found nothing to do.
    if (settlement === "wait" || settlement === "clean-up") syncDirectory(workspace.paths.home);
    if (settlement === "wait") continue;
    if (settlement === "clean-up") {
      await cleanUp(workspace, row.id, parseColumn<Cleanup>("transactions.cleanup", row.cleanup ?? ""));
      continue;
    }
    if (settlement === "abort")
      appendJournal(workspace.registry, {
        transaction_id: row.id,
        step: -1,
        status: "abort",
        at: timestamp(workspace),
        detail: JSON.stringify(
          abortDetail(
            row.state === "unconfirmed" ? "it was not confirmed in time" : "it was interrupted by a crash",
          ),
        ),
      });
    await endOrphanScripts(workspace);
    ends.push(await drive(untouched, row.id, row.kind, plan, { describe: (end) => end }));
  }
  return ends;
}
