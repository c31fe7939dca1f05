import { AuroraError, toAuroraError } from "../../errors.ts";
import {
  applyChange,
  type ChangeOptions,
  type ChangeResult,
  hasRehearsal,
  refusedResult,
  rehearse,
  unchangedResult,
} from "../../lifecycle/change.ts";
import { holdStaging } from "../../lifecycle/home-lock.ts";
import { packJobs } from "../../lifecycle/jobs.ts";
import { kernelFeatures } from "../../lifecycle/pack-process.ts";
import { isPassingError } from "../../lifecycle/passing-error.ts";
import { prepareChange, type PreparedChange, prepareWanted, presentPacks } from "../../lifecycle/prepare.ts";
import { withLockedHome } from "../../lifecycle/settle.ts";
import { stageSource, Unwritten } from "../../lifecycle/stage-source.ts";
import { type Approval } from "../../lifecycle/transaction.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { type TransactionKind } from "../../registry/transactions.ts";
import { parseDuration } from "../../system/units.ts";
import { type Context } from "../command.ts";
import { approvePlan } from "./approval.ts";
import { watchConfirmation } from "./confirm-watch.ts";
import { ensureDaemon } from "./ensure-daemon.ts";
import { findSource, resolveSource } from "./sources.ts";
import { progressOf } from "./staging-progress.ts";
import { openForWriting, refuseInsideTransaction } from "./workspace.ts";

type FlowOptions = {
  approve: string | undefined;
  retry: boolean;
  /** `--require-confinement` */
  requireConfinement?: boolean;
  confirmWithin: string | undefined;
  change: Omit<ChangeOptions, "confirmWithinMs">;
};

/** Stages the sources with all that they need, rehearses, asks, and runs the change: install and ensure. */
export async function installFlow(
  context: Context,
  sources: readonly string[],
  options: FlowOptions & { allowAll: boolean },
): Promise<ChangeResult> {
  refuseInsideTransaction(context, `install ${sources.join(" ")}`);
  using workspace = openForWriting(context);
  workspace.requireConfinement = options.requireConfinement === true;
  using _staging = holdStaging(workspace.paths, "shared");
  const directories = sources.map((source) => resolveSource(context, source));
  const staged = new Unwritten(workspace.registry);
  try {
    const prepared = await prepareChange(
      workspace,
      "install",
      directories,
      (source) => stageSource(workspace, source, progressOf(context, source), staged),
      (packId) => findSource(context, packId),
      { retry: options.retry, allowAll: options.allowAll },
    );
    return await changeFlow(context, workspace, "install", prepared, options, staged);
  } finally {
    // What is staged stays so where there is no transaction.
    staged.flush();
  }
}

/**
 * From a prepared change to its end: nothing to do, refused, or a transaction.
 *
 * @param staged is written with the begin of the transaction, or before anybody is asked and anything of a pack runs
 */
export async function changeFlow(
  context: Context,
  workspace: Workspace,
  kind: TransactionKind,
  prepared: PreparedChange,
  { approve, retry, requireConfinement = false, confirmWithin, change }: FlowOptions,
  staged = new Unwritten(workspace.registry),
): Promise<ChangeResult> {
  const confirmWithinMs =
    confirmWithin === undefined ? undefined : durationOption("--confirm-within", confirmWithin);
  if (!prepared.document.changed) return unchangedResult(workspace, prepared.document);
  const isAnybodyAsked = prepared.document.approval_required && approve === undefined;
  if (isAnybodyAsked || hasRehearsal(prepared)) staged.flush();
  const ask = () => approvePlan(context, kind, prepared.document, approve);
  // What is new about its permissions is opened up for a dry run neither: then it comes after the approval.
  const isAskedFirst =
    approve !== undefined || prepared.document.permissions.some(({ grows }) => grows.length > 0);
  const first = isAskedFirst ? await ask() : undefined;
  if (isAskedFirst && !first) return refusedPlan(workspace, prepared);
  await rehearse(workspace, prepared, isAskedFirst);
  const approval = first ?? (await ask());
  if (!approval) return refusedPlan(workspace, prepared);

  const packIds = prepared.document.actions.map(({ pack_id }) => pack_id).join(" ");
  const result = await withLockedHome(
    workspace,
    `${kind} ${packIds}`,
    context.waitMs,
    async (locked, ended) => {
      locked.requireConfinement = requireConfinement;
      // Where nobody has written to the registry since it was opened, the plan is the one that was made.
      const isAsPlanned = ended.length === 0 && !locked.registry.isChangedByOthers;
      const now = isAsPlanned
        ? prepared
        : prepareWanted(locked, kind, prepared.wanted, presentPacks(locked), retry);
      // What the plan has found out about the kernel may be kept from here on.
      kernelFeatures(locked);
      if (!now.document.changed) return unchangedResult(locked, now.document);
      checkStillApproved(approval, now, approve);
      return await applyChange(
        locked,
        kind,
        now,
        { ...approval, planDigest: now.document.plan_digest },
        { ...change, confirmWithinMs, writeFirst: () => staged.flush() },
      );
    },
  );
  if (result.state === "unconfirmed") await watchConfirmation(context);
  await startJobs(context, workspace);
  if (context.signal.aborted && result.state === "rolled-back")
    throw new AuroraError("interrupted", "stopped, and everything is as it was before");
  return result;
}

/** The change is made by then: what a full disk does to the jobs is told, and is no failure of the change. */
async function startJobs(context: Context, { registry }: Workspace): Promise<void> {
  try {
    if (packJobs(registry).length > 0) await ensureDaemon(context);
  } catch (thrown) {
    const error = toAuroraError(thrown);
    if (!isPassingError(error)) throw error;
    context.log.warn(`jobs wait for the next daemon: ${error.message}`);
  }
}

function refusedPlan(workspace: Workspace, { document }: PreparedChange): ChangeResult {
  return refusedResult(workspace, document, "the operator did not approve the plan");
}

/** Somebody else may have changed the home while the operator was thinking: then another plan was approved. */
function checkStillApproved(approval: Approval, now: PreparedChange, approve: string | undefined): void {
  // Nobody had to be asked, but what is live now may do less than what was.
  if (approval.by === null && now.document.approval_required)
    throw new AuroraError(
      "approval-required",
      "the home was changed, and this plan needs an operator's approval now",
      {
        hint: "look at the new plan with aurora plan, and approve that",
      },
    );
  const isBlanket = approve === "" || approval.by === null;
  if (isBlanket || now.document.plan_digest === approval.planDigest) return;
  throw new AuroraError("approval-refused", "the home was changed after this plan was approved", {
    hint: "look at the new plan with aurora plan, and approve that",
  });
}

export function durationOption(name: string, text: string, { orZero = false } = {}): number {
  const ms = parseDuration(text);
  if (ms !== undefined && (ms > 0 || orZero)) return ms;
  throw new AuroraError("usage", `cannot read ${name} "${text}": it is not a duration`, {
    hint: "write 30s, 5m or 2h",
  });
}
