import { type JournalStatus } from "../registry/transactions.ts";
import { type Step } from "./steps.ts";

/** What the journal says, without when and why. */
export type JournalEntry = { step: number; status: JournalStatus };

export type RunnerAction =
  | { type: "do"; step: number }
  | { type: "undo"; step: number }
  /** All steps are done: make it so in the registry. */
  | { type: "commit" }
  /** All that was begun is undone: the old state is back. */
  | { type: "finish-rolled-back" }
  /** Something could not be undone: say so, and leave the rest to a person. */
  | { type: "finish-stuck" };

/**
 * How often an undo is begun, over crashes, before it counts as impossible: recovery must not crash for ever. One that a full
 * disk has put off does not count.
 */
export const MAX_UNDO_ATTEMPTS = 3;

/**
 * The transaction runner's next step, a pure function of the journal (the same one in a first run and after a crash).
 *
 * Forward until a step fails or an `abort` stands in the journal; then back through all that was begun, last first. A step
 * that was begun and has no end is treated as half done: undone when going back. Nobody goes forward over a crash: recovery
 * writes an `abort` first, since before the commit the old state is the one that was promised.
 *
 * What cannot be undone ends the way back of its pack, and of no other: an old service is not started on data that could not
 * be put back, nor beside a new one that could not be stopped.
 */
export function nextAction(steps: readonly Step[], journal: readonly JournalEntry[]): RunnerAction {
  const begun = new Set<number>();
  const done = new Set<number>();
  const undone = new Set<number>();
  const undoAttempts = new Map<number, number>();
  const stuckPacks = new Set<string | undefined>();
  let isGoingBack = false;

  for (const { step, status } of journal) {
    if (status === "begin") begun.add(step);
    else if (status === "done") done.add(step);
    else if (status === "failed" || status === "abort") isGoingBack = true;
    else if (status === "undo-begin") undoAttempts.set(step, (undoAttempts.get(step) ?? 0) + 1);
    else if (status === "undo-put-off") undoAttempts.set(step, (undoAttempts.get(step) ?? 0) - 1);
    else if (status === "undo-done") undone.add(step);
    else stuckPacks.add(steps[step]?.pack_id);
  }

  if (!isGoingBack) {
    const next = steps.findIndex((_, index) => !done.has(index));
    return next === -1 ? { type: "commit" } : { type: "do", step: next };
  }
  for (let step = steps.length - 1; step >= 0; step--) {
    const packId = steps[step]?.pack_id;
    if (!begun.has(step) || undone.has(step) || stuckPacks.has(packId)) continue;
    if ((undoAttempts.get(step) ?? 0) < MAX_UNDO_ATTEMPTS) return { type: "undo", step };
    stuckPacks.add(packId);
  }
  return { type: stuckPacks.size > 0 ? "finish-stuck" : "finish-rolled-back" };
}
