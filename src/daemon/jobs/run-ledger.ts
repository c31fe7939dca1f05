import { isRetriedAfterInterruption, isRunnerAlive, recordInterruption } from "../../lifecycle/job-runs.ts";
import { type JobScript, type JobScriptReport } from "../../lifecycle/job-script.ts";
import { type PackJob, packJobs } from "../../lifecycle/jobs.ts";
import { endingOf, outputTail, type ScriptPack, scriptPack } from "../../lifecycle/script.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { manifestFromStored } from "../../manifest/stored.ts";
import { appendEvent } from "../../registry/events.ts";
import {
  beginJobRun,
  endJobRun,
  jobRun,
  type JobRunRow,
  type JobRunState,
  openJobRuns,
  recordJobRun,
  setRetry,
} from "../../registry/job-runs.ts";
import { advanceJob } from "../../registry/jobs.ts";
import { livePack } from "../../registry/packs.ts";
import { isPackChanging } from "../../registry/transactions.ts";
import { type RunOutcome } from "../../scheduler/job.ts";

/** One try of a run on its way through this process. */
export type Try = {
  job: PackJob;
  scheduledMs: number;
  attempt: number;
  cause: JobRunRow["cause"];
  runId: string;
  /** "void": it is not to run. "blocked": it waits for another process. */
  phase: "due" | "asked" | "blocked" | "running" | "void";
  report: JobScriptReport | undefined;
  /** What kept it from being started at all. */
  failure: string | undefined;
  /** Why a transaction has ended it. */
  stopReason: string | undefined;
};

export type Beginning = { kind: "begun"; pack: ScriptPack } | { kind: "wait" } | { kind: "never" };

const keyOf = ({ job, scheduledMs, attempt }: Pick<Try, "job" | "scheduledMs" | "attempt">) => ({
  pack_id: job.packId,
  name: job.name,
  scheduled_ms: scheduledMs,
  attempt,
});

/** What a try runs. */
export function scriptOf({ job, scheduledMs, attempt, runId }: Try): JobScript {
  const { command, timeout_ms } = job.spec;
  const isEntrypoint = job.origin === "manifest";
  return { name: job.name, command, isEntrypoint, scheduledMs, attempt, runId, timeoutMs: timeout_ms };
}

/** A time of a job has come. Where it cannot start at once, it is on record as waiting, so that no crash loses it. */
export function recordDue({ registry }: Workspace, one: Try, reason: string): void {
  const { job, scheduledMs, cause } = one;
  if (cause === "schedule") advanceJob(registry, job.packId, job.name, scheduledMs);
  if (one.phase === "due") recordJobRun(registry, { ...keyOf(one), state: "waiting", cause, reason });
}

/**
 * Decides whether a try begins now, and records it: in the database transaction that also looks at all that could stand
 * against it. The pack it gets is the one that is live at that moment.
 */
export function beginTry(workspace: Workspace, one: Try, runner: string, startedAt: string): Beginning {
  const { registry } = workspace;
  const { job, cause } = one;
  const row = livePack(registry, job.packId);
  const present = packJobs(registry, job.packId).find(({ name }) => name === job.name);
  if (!row || JSON.stringify(present?.spec) !== JSON.stringify(job.spec)) {
    dropTry(workspace, one, "cancelled", "the job is gone, or is another one now");
    return { kind: "never" };
  }
  const wait = (reason: string): Beginning => {
    recordJobRun(registry, { ...keyOf(one), state: "waiting", cause, reason });
    return { kind: "wait" };
  };
  if (isPackChanging(registry, job.packId)) return wait("a transaction is changing its pack");
  if (job.spec.overlap !== "allow" && runsElsewhere(workspace, job, runner)) {
    const reason = "another process runs it";
    if (job.spec.overlap !== "skip" || one.attempt > 1) return wait(reason);
    dropTry(workspace, one, "skipped", reason);
    return { kind: "never" };
  }
  const { generation, manifest } = row;
  const begun = beginJobRun(registry, {
    ...keyOf(one),
    cause,
    generation,
    run_id: one.runId,
    runner,
    started_at: startedAt,
  });
  if (!begun) return { kind: "never" };
  return { kind: "begun", pack: scriptPack(workspace, manifestFromStored(manifest, one.job.packId), row) };
}

/** Whether a living process other than this one runs the job. */
export function runsElsewhere(
  { registry }: Workspace,
  { packId, name }: PackJob,
  ownRunner: string,
): boolean {
  return openJobRuns(registry).some(
    (row) =>
      row.pack_id === packId &&
      row.name === name &&
      row.state === "running" &&
      row.runner !== ownRunner &&
      isRunnerAlive(row),
  );
}

/** Records that a run does not go on: one that waited, or was to be tried again. */
export function dropTry(
  { registry }: Workspace,
  one: Pick<Try, "job" | "scheduledMs" | "attempt" | "cause">,
  state: "cancelled" | "replaced" | "skipped",
  reason: string,
): void {
  const { job, scheduledMs, cause } = one;
  const none = { duration_ms: null, rc: null, output_tail: "", retry_ms: null };
  const own = openJobRuns(registry).filter(
    (row) => row.pack_id === job.packId && row.name === job.name && row.scheduled_ms === scheduledMs,
  );
  for (const row of own)
    if (row.state === "waiting") endJobRun(registry, row, { ...none, state, reason });
    else if (row.retry_ms !== null) setRetry(registry, row, null);
  if (own.length === 0) recordJobRun(registry, { ...keyOf({ ...one, attempt: 0 }), state, cause, reason });
}

/** How a try that had begun has ended. Pure. */
export function endOf(one: Try, outcome: RunOutcome, isDraining: boolean): JobRunState {
  const { report, stopReason } = one;
  if (report?.rc === 0) return "succeeded";
  if (stopReason !== undefined) return "interrupted";
  if (outcome === "replaced") return "replaced";
  if (outcome === "cancelled") return isDraining ? "interrupted" : "cancelled";
  return report?.timeout === true ? "timed-out" : "failed";
}

/** How a try has ended, in words; null where it has succeeded. Pure. */
export function reasonOf(one: Try, state: JobRunState): string | null {
  switch (state) {
    case "succeeded":
      return null;
    case "interrupted":
      return one.stopReason ?? "the scheduler stopped";
    case "replaced":
      return "a newer run took its place";
    case "cancelled":
      return "the job was removed or changed";
    default:
      return one.failure ?? (one.report ? `it ${endingOf(one.report)}` : "it could not be started");
  }
}

/**
 * Records the end of a try that had begun.
 *
 * @param retryMs when it is tried again, as far as that is known already
 * @param event what is told beside the record
 */
export function recordEnd(
  { registry }: Workspace,
  one: Try,
  end: {
    state: JobRunState;
    at: string;
    retryMs: number | null;
    event: "job-failed" | "job-recovered" | null;
  },
): void {
  const { state, at, retryMs, event } = end;
  const { job, report } = one;
  const reason = reasonOf(one, state);
  if (state === "interrupted")
    return recordInterruption(registry, keyOf(one), {
      reason: reason ?? "",
      retryMs,
      durationMs: report?.duration_ms ?? null,
      at,
    });
  endJobRun(registry, keyOf(one), {
    state,
    duration_ms: report?.duration_ms ?? null,
    rc: report?.rc ?? null,
    output_tail: report ? outputTail(report) : "",
    reason,
    retry_ms: retryMs,
  });
  if (event !== null)
    appendEvent(registry, {
      at,
      packId: job.packId,
      kind: event,
      detail: {
        job: job.name,
        scheduled_at: new Date(one.scheduledMs).toISOString(),
        attempt: one.attempt,
        rc: report?.rc ?? null,
        reason,
      },
    });
}

/** Whether this end is followed by another try. Pure. */
export function isTriedAgain({ job, attempt }: Try, state: JobRunState): boolean {
  if (state === "interrupted") return isRetriedAfterInterruption(job.spec, attempt);
  return (state === "failed" || state === "timed-out") && attempt <= (job.spec.retries ?? 0);
}

/** Whether a transaction has ended the try, and why. */
export function stopReasonOf({ registry }: Workspace, one: Try): string | undefined {
  return jobRun(registry, keyOf(one))?.stop_reason ?? undefined;
}

/** Records runs that never started, with all times up to `lastDueMs` dealt with. */
export function recordUnstarted(
  { registry }: Workspace,
  job: PackJob,
  run: { scheduledMs: number; lastDueMs: number; state: "missed" | "skipped"; count: number; at: string },
): void {
  const { scheduledMs, lastDueMs, state, count, at } = run;
  const reason = state === "missed" ? "nothing ran the jobs at that time" : "an earlier run had not ended";
  const key = keyOf({ job, scheduledMs, attempt: 0 });
  recordJobRun(registry, { ...key, state, cause: "schedule", count, reason });
  advanceJob(registry, job.packId, job.name, lastDueMs);
  if (state === "missed")
    appendEvent(registry, {
      at,
      packId: job.packId,
      kind: "job-missed",
      detail: { job: job.name, scheduled_at: new Date(scheduledMs).toISOString(), count },
    });
}
