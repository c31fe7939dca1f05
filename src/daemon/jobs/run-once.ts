import { AuroraError, toAuroraError } from "../../errors.ts";
import { thisRunner } from "../../lifecycle/job-runs.ts";
import { runJobScript } from "../../lifecycle/job-script.ts";
import { type PackJob } from "../../lifecycle/jobs.ts";
import { type ScriptPack } from "../../lifecycle/script.ts";
import { timestamp, type Workspace } from "../../lifecycle/workspace.ts";
import { jobRun, type JobRunRow } from "../../registry/job-runs.ts";
import { isPackChanging } from "../../registry/transactions.ts";
import { randomHex } from "../../system/random-id.ts";
import { beginTry, endOf, recordEnd, runsElsewhere, scriptOf, stopReasonOf, type Try } from "./run-ledger.ts";

/**
 * Runs a job once, now and in this process, besides its schedule; it is recorded like any other run. It is not tried again.
 *
 * @returns the record of the run, however it has ended
 * @throws {AuroraError} `conflict` where it runs already and may not twice, `locked` while a transaction changes its pack,
 *   `interrupted`; `denied` where it could not be confined, which is recorded as well
 */
export async function runJobOnce(workspace: Workspace, job: PackJob): Promise<JobRunRow> {
  const { registry, signal } = workspace;
  const one: Try = {
    job,
    scheduledMs: workspace.now().getTime(),
    attempt: 1,
    cause: "manual",
    runId: randomHex(16),
    phase: "asked",
    report: undefined,
    failure: undefined,
    stopReason: undefined,
  };
  let denial: AuroraError | undefined;
  const pack = registry.write(() => begin(workspace, one));
  try {
    one.report = await runJobScript(workspace, pack, scriptOf(one), signal);
  } catch (thrown) {
    const error = toAuroraError(thrown);
    one.failure = error.message;
    if (error.code === "denied") denial = error;
  }
  one.stopReason = stopReasonOf(workspace, one);
  if (one.report?.aborted === true) one.stopReason ??= `stopped by ${String(signal.reason)}`;
  const state = endOf(one, one.failure === undefined ? "succeeded" : "failed", false);
  registry.write(() =>
    recordEnd(workspace, one, { state, at: timestamp(workspace), retryMs: null, event: null }),
  );
  if (signal.aborted)
    throw new AuroraError("interrupted", `the job "${job.id}" was stopped by ${String(signal.reason)}`);
  if (denial !== undefined) throw denial;
  const row = jobRun(registry, {
    pack_id: job.packId,
    name: job.name,
    scheduled_ms: one.scheduledMs,
    attempt: 1,
  });
  if (row) return row;
  throw new AuroraError("not-found", `the job "${job.id}" was removed while it ran`);
}

function begin(workspace: Workspace, one: Try): ScriptPack {
  const { registry } = workspace;
  const { job } = one;
  if (isPackChanging(registry, job.packId))
    throw new AuroraError("locked", `cannot run the job "${job.id}": a transaction is changing its pack`, {
      hint: `aurora why ${job.packId} shows which`,
    });
  if (job.spec.overlap !== "allow" && runsElsewhere(workspace, job, ""))
    throw new AuroraError("conflict", `cannot run the job "${job.id}": it runs already`, {
      hint: "wait for its end, or give it overlap: allow",
    });
  const key = { pack_id: job.packId, name: job.name, attempt: one.attempt };
  while (jobRun(registry, { ...key, scheduled_ms: one.scheduledMs })) one.scheduledMs++;
  const beginning = beginTry(workspace, one, thisRunner(), timestamp(workspace));
  if (beginning.kind === "begun") return beginning.pack;
  throw new AuroraError("conflict", `cannot run the job "${job.id}": it was changed just now`, {
    hint: "try again",
  });
}
