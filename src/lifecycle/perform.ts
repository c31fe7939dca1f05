import { AuroraError } from "../errors.ts";
import { type Manifest } from "../manifest/schema.ts";
import { manifestFromStored } from "../manifest/stored.ts";
import { serviceOf } from "../registry/services.ts";
import { treeByDigest } from "../registry/trees.ts";
import { verifyTree } from "../store/verify-tree.ts";
import { makeDirectory, readLink, removeName, replaceLink, syncDirectory } from "../system/durable.ts";
import { moveSnapshotBack, restoreSnapshot, type SnapshotName, takeSnapshot } from "./data-snapshot.ts";
import { gateHealth, hasHealthCheck } from "./health.ts";
import { endJobsOf } from "./job-runs.ts";
import {
  INSTALL_TIMEOUT_MS,
  outputTail,
  reasonOf,
  runScript,
  type ScriptPack,
  scriptPack,
  type ScriptReport,
} from "./script.ts";
import { recordEmptyStart, startService, startsNothing, stopService } from "./service.ts";
import { type Step, type TransactionPack, type TransactionPlan } from "./steps.ts";
import { type Workspace } from "./workspace.ts";

/** What the journal keeps about the end of a step. */
export type StepDetail = {
  name: string;
  rc: number | null;
  duration_ms: number;
  output_tail: string;
  /** Why it failed; null where it did not. */
  reason: string | null;
  /** Something of the pack could not be confined as it has to be, so it was not run. */
  is_denied?: boolean;
  /** The pack is not why it failed: a signal is, or the machine, as with a full disk. */
  is_not_its_own?: boolean;
};

export type PerformContext = {
  workspace: Workspace;
  transactionId: string;
  plan: TransactionPlan;
  /** Puts off a change of the registry until the end of the step is written, in the same database transaction. */
  record: (write: () => void) => void;
};

/**
 * Whether a step changes nothing but the registry, by `record`: the start of a pack that starts nothing, the gate of one without
 * a health check. A crash in it leaves nothing, so that it begins need not be durable before.
 */
export function isOnlyRecorded({ workspace, plan }: PerformContext, step: Step): boolean {
  if (step.kind !== "start" && step.kind !== "health") return false;
  const tree = treeByDigest(workspace.registry, packOf(plan, step).to?.digest ?? "");
  if (!tree) return false;
  const manifest = manifestFromStored(tree.manifest, tree.pack_id);
  return step.kind === "start" ? startsNothing(manifest) : !hasHealthCheck(manifest);
}

/** Does one step of a transaction. What it returns with a `reason` has failed. */
export async function performStep(context: PerformContext, step: Step): Promise<StepDetail> {
  const { workspace, transactionId } = context;
  const pack = packOf(context.plan, step);
  switch (step.kind) {
    case "install": {
      const target = required(newPack(workspace, pack));
      const report = await runScript(workspace, target, "install", {
        args: ["--install"],
        timeoutMs: INSTALL_TIMEOUT_MS,
        signal: workspace.signal,
      });
      return scriptDetail(report, report.rc === 0);
    }
    case "stop": {
      const old = required(oldPack(workspace, pack));
      await endJobs(workspace, old);
      // Whether it is to run again is decided at the end; until then a crash must find that it was wanted.
      await stopService(workspace, old, pack.was_running || pack.was_tried ? "running" : "stopped");
      return plainDetail("stop");
    }
    case "snapshot":
      takeSnapshot(workspace.paths, pack.pack_id, snapshotOf(pack, transactionId));
      return plainDetail("snapshot");
    case "restore":
      restoreSnapshot(
        workspace.paths,
        pack.pack_id,
        required(pack.restore ?? undefined),
        snapshotOf(pack, transactionId),
      );
      return plainDetail("restore");
    case "switch":
      await switchLive(workspace, pack.pack_id, pack.to?.digest ?? null);
      return plainDetail("switch");
    case "start": {
      const target = required(newPack(workspace, pack));
      if (startsNothing(target.manifest)) {
        context.record(() => recordEmptyStart(workspace, target));
        return { ...plainDetail("start"), rc: 0 };
      }
      const report = await startService(workspace, target);
      return scriptDetail(report, report.rc === 0);
    }
    case "health":
      return await gateHealth(workspace, required(newPack(workspace, pack)), workspace.signal);
  }
}

/** Undoes one step that was begun: also one that was never finished, and one whose undo was begun before. */
export async function undoStep(context: PerformContext, step: Step): Promise<StepDetail> {
  const { workspace, transactionId } = context;
  const pack = packOf(context.plan, step);
  switch (step.kind) {
    case "install":
    case "restore":
    case "health":
      return plainDetail(step.kind);
    case "start":
      await stopService(workspace, required(newPack(workspace, pack)), "stopped");
      return plainDetail("stop");
    case "switch":
      // One that waited for its confirmation has had jobs.
      if (pack.to) await endJobs(workspace, required(newPack(workspace, pack)));
      await switchLive(workspace, pack.pack_id, pack.from?.digest ?? null);
      return plainDetail("switch");
    case "snapshot":
      moveSnapshotBack(workspace.paths, pack.pack_id, snapshotOf(pack, transactionId));
      return plainDetail("snapshot");
    case "stop":
      return pack.was_running || pack.was_tried
        ? await bringBack(workspace, required(oldPack(workspace, pack)), pack)
        : plainDetail("start");
  }
}

/** No job runs while its tree and its data are exchanged. */
function endJobs(workspace: Workspace, { manifest }: ScriptPack): Promise<void> {
  const { id, service } = manifest.pack;
  return endJobsOf(workspace, id, "its pack was changed", service.stop_timeout_seconds * 1000);
}

/**
 * Starts the old service again and checks its health too: a rollback to something broken is no rollback. One that did not run
 * before is only handed back to its supervisor.
 */
async function bringBack(
  workspace: Workspace,
  old: ScriptPack,
  { was_running: wasRunning }: TransactionPack,
): Promise<StepDetail> {
  const untouched: Workspace = { ...workspace, signal: new AbortController().signal };
  const service = serviceOf(workspace.registry, old.manifest.pack.id);
  // A crash may have come before the stop: stopping what is there first never leaves two of them.
  if (service && service.state !== "stopped") await stopService(untouched, old, "running");
  const report = await startService(untouched, old);
  if (!wasRunning) return scriptDetail(report, true);
  if (report.rc !== 0) return scriptDetail(report, false);
  return await gateHealth(untouched, old, untouched.signal);
}

/** Points `live` at a tree that verifies, or removes the link. */
async function switchLive(workspace: Workspace, packId: string, digest: string | null): Promise<void> {
  const { paths } = workspace;
  if (digest === null) return removeName(paths.liveLink(packId));
  const { ok, problems } = await verifyTree(paths, digest, { full: false });
  if (!ok)
    throw new AuroraError("state-invalid", `cannot activate ${digest}: the stored tree is damaged`, {
      diagnostics: problems.map((message) => ({ message })),
      hint: `stage the pack again, or see aurora verify ${packId}`,
    });
  // A crash may have come between the rename and its sync.
  if (readLink(paths.liveLink(packId)) === paths.liveTarget(digest)) return syncDirectory(paths.live);
  makeDirectory(paths.live, 0o700);
  replaceLink(paths.liveLink(packId), paths.liveTarget(digest));
}

/** The snapshot that a transaction takes of a pack: only what is live is replaced. */
function snapshotOf({ from }: TransactionPack, transactionId: string): SnapshotName {
  return { generation: required(from ?? undefined).generation, transactionId };
}

function packOf(plan: TransactionPlan, step: Step): TransactionPack {
  return required(plan.packs.find((pack) => pack.pack_id === step.pack_id));
}

function newPack(workspace: Workspace, pack: TransactionPack): ScriptPack | undefined {
  return pack.to ? scriptPack(workspace, storedManifest(workspace, pack.to.digest), pack.to) : undefined;
}

function oldPack(workspace: Workspace, pack: TransactionPack): ScriptPack | undefined {
  return pack.from
    ? scriptPack(workspace, storedManifest(workspace, pack.from.digest), pack.from)
    : undefined;
}

/** The manifest of a staged tree, from the registry. */
export function storedManifest(workspace: Pick<Workspace, "registry">, digest: string): Manifest {
  const tree = treeByDigest(workspace.registry, digest);
  if (tree) return manifestFromStored(tree.manifest, tree.pack_id);
  throw new AuroraError("not-found", `there is no staged tree ${digest}`, { hint: "stage the pack again" });
}

function scriptDetail(report: ScriptReport, isGood: boolean): StepDetail {
  return {
    name: report.name,
    rc: report.rc,
    duration_ms: report.duration_ms,
    output_tail: outputTail(report),
    reason: isGood ? null : reasonOf(report),
  };
}

function plainDetail(name: string): StepDetail {
  return { name, rc: null, duration_ms: 0, output_tail: "", reason: null };
}

/** For what the plan promises to be there. */
function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the transaction's plan is not complete");
  return value;
}
