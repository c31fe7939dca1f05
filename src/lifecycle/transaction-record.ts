import { manifestFromStored } from "../manifest/stored.ts";
import { restoreEnvironment } from "../registry/environment.ts";
import { appendEvent } from "../registry/events.ts";
import { appendGeneration, type GenerationOutcome, nextGeneration } from "../registry/generations.ts";
import { forgetJobsOf } from "../registry/jobs.ts";
import {
  namespaceOf,
  registerNamespace,
  restoreNamespace,
  unregisterNamespace,
} from "../registry/namespaces.ts";
import { forgetLivePack, setDataEpoch, setLivePack } from "../registry/packs.ts";
import { liftQuarantine, quarantine } from "../registry/quarantine.ts";
import { forgetService, noRemarks, serviceOf, setService } from "../registry/services.ts";
import { type TransactionKind, type TransactionState, updateTransaction } from "../registry/transactions.ts";
import { treeByDigest } from "../registry/trees.ts";
import { cleanupOf } from "./clean-up.ts";
import { confirmationFrom, confirmationOf } from "./confirmation.ts";
import { anchorJobs } from "./jobs.ts";
import { type TransactionPlan } from "./steps.ts";
import { timestamp, type Workspace } from "./workspace.ts";

/* What the registry says of the packs of a transaction from its end on: written at once, with the end itself. */

type PlannedPack = TransactionPlan["packs"][number];

/**
 * The new generations become what the registry says: this is the commit point.
 *
 * @param flushJournal writes what of the journal is not written yet
 * @returns `unconfirmed` where somebody still has to confirm it: until then nothing is for good
 */
export function recordCommit(
  workspace: Workspace,
  id: string,
  kind: TransactionKind,
  plan: TransactionPlan,
  flushJournal: () => void,
): "committed" | "unconfirmed" {
  const { registry } = workspace;
  const at = timestamp(workspace);
  return registry.write(() => {
    flushJournal();
    const asked = registry.get<{ confirm: string | null }>(
      "SELECT confirm FROM transactions WHERE id = ?",
      id,
    )?.confirm;
    // However long a start and its health check took: the operator has the whole time from here on.
    const confirm = asked ? confirmationFrom(confirmationOf(asked).within_ms, at) : null;
    const state = confirm ? "unconfirmed" : "committed";
    for (const pack of plan.packs) {
      if (pack.to) recordLive(workspace, plan, pack, pack.to, at);
      else recordGone(workspace, pack.pack_id, plan.purge);
      if (!confirm) recordKept(workspace, id, pack, at);
      appendEvent(registry, {
        at,
        packId: pack.pack_id,
        kind: state,
        detail: { transaction: id, kind, generation: pack.to?.generation ?? null },
      });
    }
    for (const { pack_id } of plan.packs) anchorJobs(registry, pack_id, workspace.now().getTime());
    updateTransaction(registry, id, {
      state,
      plan: confirm ? JSON.stringify(plan) : planAtEnd(plan),
      finished_at: confirm ? null : at,
      reason: null,
      cleanup: confirm ? null : JSON.stringify(cleanupOf(plan, "committed")),
      confirm,
    });
    return state;
  });
}

/** Nothing goes back any more: the values of variables, which may be secrets, are not kept beside where they can be taken away. */
function planAtEnd(plan: TransactionPlan): string {
  return JSON.stringify({ ...plan, packs: plan.packs.map((pack) => ({ ...pack, environment: [] })) });
}

function recordLive(
  { registry }: Workspace,
  plan: TransactionPlan,
  { pack_id }: PlannedPack,
  to: NonNullable<PlannedPack["to"]>,
  at: string,
): void {
  const { generation, digest, version, allow_all } = to;
  const tree = treeByDigest(registry, digest);
  setLivePack(registry, {
    pack_id,
    generation,
    digest,
    version,
    manifest: tree?.manifest ?? "{}",
    allow_all,
  });
  if (tree) setDataEpoch(registry, pack_id, manifestFromStored(tree.manifest, pack_id).pack.data.epoch);
  if (!namespaceOf(registry, pack_id)) registerNamespace(registry, pack_id, "{}", at, undefined);
  // A pack that was installed but not started is stopped, at its new generation.
  const isStarted = plan.steps.some((step) => step.kind === "start" && step.pack_id === pack_id);
  const row = serviceOf(registry, pack_id);
  if (row && !isStarted) setService(registry, { ...row, wanted: "stopped", generation });
}

function recordGone(workspace: Workspace, packId: string, isPurged: boolean): void {
  const { registry } = workspace;
  forgetLive(workspace, packId);
  unregisterNamespace(registry, packId);
  if (!isPurged) return;
  restoreEnvironment(registry, packId, []);
  setDataEpoch(registry, packId, undefined);
}

function forgetLive({ registry }: Workspace, packId: string): void {
  forgetLivePack(registry, packId);
  forgetJobsOf(registry, packId);
  forgetService(registry, packId);
}

/** What is committed is in the history, and no evidence against its content counts any more. */
function recordKept(workspace: Workspace, id: string, pack: PlannedPack, at: string): void {
  record(workspace, id, pack, pack.to ? "committed" : "removed", pack.reason, at);
  if (pack.to) liftQuarantine(workspace.registry, pack.to.digest);
}

/** Ends the wait for a confirmation. */
export function recordConfirmation(workspace: Workspace, id: string, plan: TransactionPlan): void {
  const { registry } = workspace;
  const at = timestamp(workspace);
  registry.write(() => {
    for (const pack of plan.packs) {
      recordKept(workspace, id, pack, at);
      appendEvent(registry, { at, packId: pack.pack_id, kind: "confirmed", detail: { transaction: id } });
    }
    updateTransaction(registry, id, {
      state: "committed",
      plan: planAtEnd(plan),
      finished_at: at,
      reason: null,
      cleanup: JSON.stringify(cleanupOf(plan, "committed")),
      confirm: null,
    });
  });
}

/** How a transaction went back, why, and whether the health gate of a pack was the reason. */
export type WayBack = { state: "rolled-back" | "stuck"; reason: string; gate: string | undefined };

/** The registry is as it was, but for the history and the evidence. */
export function recordWayBack(
  workspace: Workspace,
  id: string,
  plan: TransactionPlan,
  { state, reason, gate }: WayBack,
  flushJournal: () => void,
): void {
  const { registry } = workspace;
  const at = timestamp(workspace);
  const wasLive =
    registry.get<{ state: TransactionState }>("SELECT state FROM transactions WHERE id = ?", id)?.state ===
    "unconfirmed";
  const outcome = state === "stuck" ? "stuck" : wasLive ? "reverted" : "failed";
  registry.write(() => {
    flushJournal();
    for (const pack of plan.packs) {
      if (pack.from) recordLiveAgain(workspace, pack, pack.from);
      else forgetLive(workspace, pack.pack_id);
      setDataEpoch(registry, pack.pack_id, pack.data_epoch ?? undefined);
      restoreNamespace(registry, pack.pack_id, pack.namespace ?? undefined);
      restoreEnvironment(registry, pack.pack_id, pack.environment);
      if (pack.to) record(workspace, id, pack, outcome, reason, at);
      if (pack.to && gate === pack.pack_id)
        quarantine(registry, { digest: pack.to.digest, pack_id: pack.pack_id, at, reason });
      appendEvent(registry, { at, packId: pack.pack_id, kind: state, detail: { transaction: id, reason } });
    }
    for (const { pack_id } of plan.packs) anchorJobs(registry, pack_id, workspace.now().getTime());
    updateTransaction(registry, id, {
      state,
      plan: planAtEnd(plan),
      finished_at: at,
      reason,
      cleanup: JSON.stringify(cleanupOf(plan, state)),
      confirm: null,
    });
  });
}

function recordLiveAgain(
  { registry }: Workspace,
  { pack_id, was_running, was_tried }: PlannedPack,
  from: NonNullable<PlannedPack["from"]>,
): void {
  const manifest = treeByDigest(registry, from.digest)?.manifest ?? "{}";
  setLivePack(registry, { pack_id, ...from, manifest });
  const row = serviceOf(registry, pack_id);
  if (row && !was_running && !was_tried)
    setService(registry, {
      ...row,
      generation: from.generation,
      wanted: "stopped",
      state: "stopped",
      ...noRemarks,
    });
}

function record(
  workspace: Workspace,
  id: string,
  pack: PlannedPack,
  outcome: GenerationOutcome,
  reason: string | null,
  at: string,
): void {
  const { registry } = workspace;
  appendGeneration(registry, {
    pack_id: pack.pack_id,
    generation: pack.to?.generation ?? nextGeneration(registry, pack.pack_id),
    parent: pack.to ? pack.to.parent : (pack.from?.generation ?? null),
    digest: pack.to?.digest ?? null,
    version: pack.to?.version ?? null,
    at,
    outcome,
    reason,
    transaction_id: id,
  });
}
