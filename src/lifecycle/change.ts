import { AuroraError } from "../errors.ts";
import { type Manifest } from "../manifest/schema.ts";
import { manifestFromStored } from "../manifest/stored.ts";
import { environmentOf } from "../registry/environment.ts";
import { generationOf, nextGeneration } from "../registry/generations.ts";
import { namespaceOf } from "../registry/namespaces.ts";
import { dataEpochOf, livePack } from "../registry/packs.ts";
import { serviceOf, type ServiceState } from "../registry/services.ts";
import { type TransactionKind } from "../registry/transactions.ts";
import { bootId } from "../system/boot.ts";
import { shellWord } from "../system/shell-word.ts";
import { type SnapshotName } from "./data-snapshot.ts";
import { dryRun } from "./dry-run.ts";
import { observeService } from "./observe-service.ts";
import { type PlanDocument } from "./plan-document.ts";
import { type PlanAction } from "./plan.ts";
import { type PreparedChange, refuseUnconfirmed } from "./prepare.ts";
import { endingOf, outputTail } from "./script.ts";
import { isHosted } from "./service-host.ts";
import { compileSteps, type PackNeeds, type TransactionPack } from "./steps.ts";
import { type Approval, isDenied, runTransaction, type TransactionEnd } from "./transaction.ts";
import { type Workspace } from "./workspace.ts";

export type ChangeOptions = {
  /** Whether the new services are to run; undefined: each that is wanted, also one that has failed, and what is not there yet. */
  start: boolean | undefined;
  confirmWithinMs: number | undefined;
  /** Writes to the registry what is to be there before the transaction; it becomes durable with its begin. */
  writeFirst?: () => void;
  /** For the history, by pack: why there is a new generation. */
  reasons?: ReadonlyMap<string, string>;
  /** The parent that the history gets, where it is not what is live now. */
  parents?: ReadonlyMap<string, number | null>;
};

/** The end of a change, for people and for `--json`. */
export type ChangeResult = {
  transaction: string | null;
  state: TransactionEnd["state"] | "refused";
  reason: string | null;
  changed: boolean;
  packs: { pack_id: string; version: string; generation: number | null; digest: string; health: string }[];
  /** See `TransactionEnd`. */
  [isDenied]?: boolean;
};

/**
 * Runs the dry run of every pack that is to change and has one. Throws `script-failed` before anything is changed.
 *
 * @param isApproved the plan is approved already: then the scripts may read and connect as they will in earnest
 */
export async function rehearse(
  workspace: Workspace,
  { actions, wanted, allowAll }: PreparedChange,
  isApproved: boolean,
): Promise<void> {
  for (const { action, pack_id, digest } of actions) {
    const { manifest, directory } = wanted.get(pack_id) ?? {};
    if (!manifest || !isRehearsed(action, manifest)) continue;
    workspace.info(`dry-run ${pack_id}`);
    const { ok, steps } = await dryRun(workspace, manifest, digest, {
      isApproved,
      allowAll: allowAll.has(pack_id),
    });
    const [step] = steps;
    if (ok || !step) continue;
    if (workspace.signal.aborted)
      throw new AuroraError("interrupted", `stopped during the dry run of "${pack_id}"`);
    throw new AuroraError(
      "script-failed",
      `the dry run of "${pack_id}" ${endingOf(step)}; nothing was changed`,
      {
        diagnostics: outputTail(step) === "" ? [] : [{ message: outputTail(step) }],
        hint: directory === undefined ? undefined : `aurora dry-run ${shellWord(directory)} shows all of it`,
      },
    );
  }
}

/** Whether `rehearse` runs anything. */
export function hasRehearsal({ actions, wanted }: PreparedChange): boolean {
  return actions.some(({ action, pack_id }) => {
    const manifest = wanted.get(pack_id)?.manifest;
    return (
      manifest !== undefined && manifest.pack.entrypoint.install !== null && isRehearsed(action, manifest)
    );
  });
}

function isRehearsed(action: PlanAction["action"], { pack }: Manifest): boolean {
  return action !== "none" && pack.safety.dry_run_supported;
}

/** Runs the prepared and approved change as one transaction. The caller holds the home's lock. */
export async function applyChange(
  workspace: Workspace,
  kind: TransactionKind,
  prepared: PreparedChange,
  approval: Approval,
  options: ChangeOptions,
): Promise<ChangeResult> {
  const needs = prepared.actions
    .filter(({ action }) => action !== "none")
    .map(({ pack_id, digest }) => {
      const manifest = prepared.wanted.get(pack_id)?.manifest as Manifest;
      const allow_all = prepared.allowAll.has(pack_id) ? 1 : 0;
      const restore = prepared.restores.get(pack_id);
      return packNeeds(workspace, pack_id, { manifest, digest, allow_all, restore }, options);
    });
  const plan = { steps: compileSteps(needs), packs: needs.map(({ pack }) => pack), purge: false };
  return await runTransaction(workspace, kind, plan, approval, options, (end) =>
    changeResult(workspace, prepared.document, end),
  );
}

/** What a result says where nothing had to change. */
export function unchangedResult(workspace: Workspace, { actions }: PlanDocument): ChangeResult {
  return {
    transaction: null,
    state: "committed",
    reason: "nothing changes",
    changed: false,
    packs: packsOf(workspace, actions),
  };
}

/** What a result says where the plan was not approved. */
export function refusedResult(workspace: Workspace, { actions }: PlanDocument, reason: string): ChangeResult {
  return {
    transaction: null,
    state: "refused",
    reason,
    changed: false,
    packs: packsOf(workspace, actions),
  };
}

function changeResult(workspace: Workspace, { actions }: PlanDocument, end: TransactionEnd): ChangeResult {
  const { transaction, state, reason } = end;
  const isKept = state === "committed" || state === "unconfirmed";
  const packs = packsOf(workspace, actions);
  return { transaction, state, reason, changed: isKept, packs, [isDenied]: end[isDenied] === true };
}

/** The packs of a plan as they are now. */
function packsOf({ registry }: Workspace, actions: PlanDocument["actions"]): ChangeResult["packs"] {
  return actions.map(({ pack_id, to_version, digest }) => {
    const live = livePack(registry, pack_id);
    return {
      pack_id,
      version: live?.version ?? to_version,
      generation: live?.generation ?? null,
      digest: live?.digest ?? digest,
      health: serviceOf(registry, pack_id)?.health ?? "unknown",
    };
  });
}

/** What a transaction needs to know of one pack: what is to be, and all that was before. */
export function packNeeds(
  workspace: Workspace,
  packId: string,
  target: {
    manifest: Manifest;
    digest: string;
    allow_all: number;
    restore?: SnapshotName | undefined;
  } | null,
  { start, reasons, parents }: Pick<ChangeOptions, "start" | "reasons" | "parents">,
): PackNeeds {
  const { registry } = workspace;
  const restore = target?.restore;
  const live = livePack(registry, packId);
  const service = serviceOf(registry, packId);
  const wanted = live && service?.wanted === "running" ? service : undefined;
  const state = wanted && observeService(wanted, bootId()).state;
  const parent = parents?.has(packId) ? (parents.get(packId) ?? null) : (live?.generation ?? null);
  const pack: TransactionPack = {
    pack_id: packId,
    from: live
      ? { generation: live.generation, digest: live.digest, version: live.version, allow_all: live.allow_all }
      : null,
    to: target
      ? {
          generation: nextGeneration(registry, packId),
          digest: target.digest,
          version: target.manifest.pack.version,
          parent,
          allow_all: target.allow_all,
        }
      : null,
    was_running: state === "running",
    was_tried: live !== undefined && isTried(state) && isHosted(manifestFromStored(live.manifest, packId)),
    reason: reasons?.get(packId) ?? null,
    namespace: namespaceOf(registry, packId) ?? null,
    environment: environmentOf(registry, packId),
    data_epoch: dataEpochOf(registry, packId) ?? null,
    restore: restore ?? null,
  };
  return {
    pack,
    hasInstallScript: target !== null && target.manifest.pack.entrypoint.install !== null,
    wantsSnapshot: target !== null && target.manifest.pack.data.snapshot && live !== undefined,
    start: target !== null && (start ?? (!live || wanted !== undefined)),
  };
}

/** Of a supervised service that is wanted: it does not run, and not because it is done. */
function isTried(state: ServiceState | undefined): boolean {
  return state === "starting" || state === "backoff" || state === "failed";
}

/**
 * The generation that a rollback goes to: what the record says was live before this one. A generation that was itself a
 * rollback carries the parent of what it brought back, so that rolling back twice goes two steps back, not forth again.
 *
 * @throws {AuroraError} `not-found` where there is none
 */
export function rollbackTarget(workspace: Workspace, packId: string, to: number | undefined): number {
  const live = livePack(workspace.registry, packId);
  if (!live)
    throw new AuroraError("not-found", `"${packId}" is not installed`, { hint: "aurora list shows what is" });
  if (to !== undefined) return to;
  refuseUnconfirmed(workspace, [packId]);
  const parent = generationOf(workspace.registry, packId, live.generation)?.parent ?? null;
  if (parent !== null) return parent;
  throw new AuroraError(
    "not-found",
    `cannot roll back "${packId}": nothing was live before generation ${live.generation}`,
    {
      hint: `aurora history ${packId} shows its generations`,
    },
  );
}
