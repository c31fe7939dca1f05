import { AuroraError, toAuroraError } from "../../errors.ts";
import { thisRunner } from "../../lifecycle/job-runs.ts";
import { type runJobScript } from "../../lifecycle/job-script.ts";
import { type PackJob } from "../../lifecycle/jobs.ts";
import { timestamp, type Workspace } from "../../lifecycle/workspace.ts";
import { setRetry } from "../../registry/job-runs.ts";
import { type Clock } from "../../scheduler/clock.ts";
import { type RunRecord } from "../../scheduler/job.ts";
import { type Scheduler } from "../../scheduler/scheduler.ts";
import { type TaskContext } from "../../scheduler/task-context.ts";
import { randomHex } from "../../system/random-id.ts";
import {
  type Beginning,
  beginTry,
  dropTry,
  endOf,
  isTriedAgain,
  reasonOf,
  recordDue,
  recordEnd,
  recordUnstarted,
  scriptOf,
  stopReasonOf,
  type Try,
} from "./run-ledger.ts";
import { type RunRecorder } from "./run-recorder.ts";

export type KeeperParts = {
  workspace: Workspace;
  clock: Clock;
  recorder: RunRecorder;
  execute: typeof runJobScript;
  scheduler: () => Scheduler;
};

/** Follows each run from its due time to its end, and sees to it that the registry says at any moment how far it is. */
export class RunKeeper {
  /** How this process is recorded. */
  readonly runner = thisRunner();
  /** What is taken back, or told to stop, goes on in the next process. */
  isDraining = false;
  /** The next run to come due was asked for by hand. */
  isManual = false;
  /** Jobs whose last run has failed: only a change of that is an event. */
  readonly failing = new Set<string>();
  #parts: KeeperParts;
  #tries = new Map<string, Try>();
  #executions = new Set<Promise<unknown>>();
  #changed = Promise.withResolvers<void>();

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Another process has changed something: what waits for one looks again. */
  signalChange(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Whether a run waits for another process. */
  get isBlocked(): boolean {
    return this.#tries.values().some(({ phase }) => phase === "blocked");
  }

  /** Resolves when every process of a job has ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#executions);
  }

  /** One try of a run, as the scheduler calls it: from the question whether it may begin to the end of its processes. */
  run(job: PackJob, context: TaskContext): Promise<void> {
    const execution = this.#run(job, context);
    this.#executions.add(execution);
    void execution.catch(() => {}).finally(() => this.#executions.delete(execution));
    return execution;
  }

  due(job: PackJob, scheduledAt: number): void {
    const { workspace, recorder, scheduler } = this.#parts;
    const one = newTry(job, scheduledAt, this.isManual ? "manual" : "schedule");
    this.#tries.set(keyOf(job.id, scheduledAt), one);
    void recorder.write(() => {
      const { state, reason } = scheduler().whyNotRunning(job.id);
      recordDue(workspace, one, state === "waiting" ? reason : "an earlier run has not ended");
    });
  }

  /** A try has failed, and the scheduler says when the next one comes. */
  retried(job: PackJob, scheduledAt: number, failedAttempt: number, delayMs: number): void {
    const { workspace, clock, recorder } = this.#parts;
    const key = { pack_id: job.packId, name: job.name, scheduled_ms: scheduledAt, attempt: failedAttempt };
    const retryMs = clock.wallMs() + Math.round(delayMs);
    void recorder.write(() => setRetry(workspace.registry, key, retryMs));
  }

  /** Takes what the scheduler has recorded. @param known the job, where it is still there */
  recorded(known: PackJob | undefined, record: RunRecord): void {
    const key = keyOf(record.jobId, record.scheduledAt);
    const one = this.#tries.get(key);
    if (record.attempt === 0) {
      const job = one?.job ?? known;
      if (job) this.#unstarted(job, record, one);
    } else if (one) this.#ended(one, record);
  }

  /** Runs that were missed, skipped, or taken back before they started. */
  #unstarted(
    job: PackJob,
    { scheduledAt, outcome, count, lastDueAt }: RunRecord,
    one: Try | undefined,
  ): void {
    const { workspace, recorder } = this.#parts;
    if (outcome === "missed" || outcome === "skipped") {
      const run = { scheduledMs: scheduledAt, lastDueMs: lastDueAt, state: outcome, count };
      void recorder.write(() => recordUnstarted(workspace, job, { ...run, at: timestamp(workspace) }));
      return;
    }
    this.#tries.delete(keyOf(job.id, scheduledAt));
    this.#drop(one ?? newTry(job, scheduledAt, "schedule"), outcome);
  }

  #drop(one: Try, outcome: RunRecord["outcome"]): void {
    const { workspace, recorder } = this.#parts;
    if (this.isDraining) return;
    const state = outcome === "replaced" ? "replaced" : "cancelled";
    void recorder.write(() => dropTry(workspace, one, state, reasonOf(one, state) ?? ""));
  }

  #ended(one: Try, { jobId, scheduledAt, outcome }: RunRecord): void {
    const { workspace, clock, recorder, scheduler } = this.#parts;
    this.#tries.delete(keyOf(jobId, scheduledAt));
    if (one.phase === "void") return;
    if (one.phase !== "running") return this.#drop(one, outcome);
    const state = endOf(one, outcome, this.isDraining);
    const isAgain = isTriedAgain(one, state);
    // Of a failure the scheduler itself says when it is tried again, right after this.
    const retryMs = isAgain && (state === "interrupted" || this.isDraining) ? clock.wallMs() : null;
    const end = { state, at: timestamp(workspace), retryMs, event: this.#eventOf(jobId, state, isAgain) };
    void recorder.write(() => recordEnd(workspace, one, end));
    if (isAgain && state === "interrupted" && !this.isDraining)
      scheduler().goOn(jobId, { scheduledAt, tries: one.attempt, delayMs: 0 });
  }

  #eventOf(jobId: string, state: string, isAgain: boolean): "job-failed" | "job-recovered" | null {
    if (state === "succeeded") return this.failing.delete(jobId) ? "job-recovered" : null;
    if ((state !== "failed" && state !== "timed-out") || isAgain || this.failing.has(jobId)) return null;
    this.failing.add(jobId);
    return "job-failed";
  }

  async #run(job: PackJob, context: TaskContext): Promise<void> {
    const { workspace, execute } = this.#parts;
    const one = this.#asked(job, context);
    const beginning = await this.#begin(one, context);
    if (beginning.kind !== "begun") return;
    one.phase = "running";
    try {
      if (context.signal.aborted) throw toAuroraError(context.signal.reason);
      one.report = await execute(workspace, beginning.pack, scriptOf(one), context.signal);
    } catch (thrown) {
      one.failure = toAuroraError(thrown).message;
      throw thrown;
    }
    one.stopReason = stopReasonOf(workspace, one);
    if (one.report.rc === 0 || one.stopReason !== undefined) return;
    throw new AuroraError("script-failed", reasonOf(one, endOf(one, "failed", false)) ?? "");
  }

  /** Records the beginning as soon as nothing in another process stands against it. */
  async #begin(one: Try, { signal }: TaskContext): Promise<Beginning> {
    const { workspace, clock, recorder } = this.#parts;
    for (;;) {
      const changed = this.#changed.promise;
      const beginning = await recorder.write(() =>
        beginTry(workspace, one, this.runner, new Date(clock.wallMs()).toISOString()),
      );
      if (beginning.kind === "never") one.phase = "void";
      if (beginning.kind !== "wait") return beginning;
      one.phase = "blocked";
      await Promise.race([changed, aborted(signal)]);
      if (signal.aborted || this.isDraining) throw new AuroraError("interrupted", "the scheduler stops");
    }
  }

  #asked(job: PackJob, { scheduledAt, attempt }: TaskContext): Try {
    const key = keyOf(job.id, scheduledAt);
    const one = this.#tries.get(key) ?? newTry(job, scheduledAt, "schedule");
    this.#tries.set(key, one);
    one.attempt = attempt;
    one.runId = randomHex(16);
    one.phase = "asked";
    return one;
  }
}

/** A job has at most one run for a scheduled time. */
function keyOf(jobId: string, scheduledAt: number): string {
  return `${jobId} ${scheduledAt}`;
}

function newTry(job: PackJob, scheduledMs: number, cause: Try["cause"]): Try {
  const none = { report: undefined, failure: undefined, stopReason: undefined };
  return { job, scheduledMs, attempt: 1, cause, runId: "", phase: "due", ...none };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
