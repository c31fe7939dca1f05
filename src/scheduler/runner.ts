import { AuroraError } from "../errors.ts";
import { Admission } from "./admission.ts";
import { type Clock } from "./clock.ts";
import { type Job, type OpenRun, Run } from "./job.ts";
import { type Journal } from "./journal.ts";
import { decideOverlap } from "./overlap.ts";
import { retryDelay } from "./retry-delay.ts";
import { isThenable } from "./task-context.ts";
import { Alarm, type TimerLoop } from "./timer-loop.ts";

/** A job that holds the event loop longer than this in one go is told to the listener. */
export const HELD_FROM_MS = 50;

export type RunnerParts = {
  clock: Clock;
  loop: TimerLoop;
  journal: Journal;
  random: () => number;
  agingMs: number;
  /** All runs of the job have ended. */
  jobIdle: (job: Job) => void;
};

/** Brings runs from their due time to their end: overlap, resources, timeout, retries. */
export class Runner {
  readonly admission: Admission<Run>;
  /** Runs that have not ended, of removed jobs too. */
  readonly runs = new Set<Run>();
  /** Nothing starts. */
  isPaused = false;
  /** Nothing is tried again. */
  isClosing = false;
  #parts: RunnerParts;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.admission = new Admission(parts.agingMs);
  }

  /** A run of the job is due: decides what becomes of it. */
  occur(job: Job, scheduledAt: number): "start" | "skip" | "queue" | "replace" {
    const policy = job.definition.overlap ?? "skip";
    const decision = decideOverlap(policy, job.active.size, job.queued.length);
    if (decision === "skip") {
      this.#parts.journal.recordUnstarted(job, scheduledAt, "skipped", 1);
      return decision;
    }
    const run = new Run(job, scheduledAt);
    this.runs.add(run);
    this.#parts.journal.emit({ kind: "due", jobId: job.id, scheduledAt });
    if (decision === "replace") {
      for (const old of job.queued.splice(0)) this.drop(old, "replaced");
      for (const old of job.active) this.stop(old, "replaced", "a newer run takes its place");
    }
    if (decision === "start" || job.active.size === 0) this.#activate(run);
    else {
      run.state = "queued";
      job.queued.push(run);
    }
    return decision;
  }

  /** Goes on with a run of an earlier process; it has been let through by the overlap policy before. */
  goOn(job: Job, { scheduledAt, tries, delayMs }: OpenRun): void {
    const run = new Run(job, scheduledAt);
    run.attempt = tries;
    run.state = "retrying";
    this.runs.add(run);
    job.active.add(run);
    this.#setAlarm(run, this.#parts.clock.monotonicMs() + delayMs, () => this.#admit(run));
  }

  /** Starts one run that may start; returns false where none may. */
  startNext(): boolean {
    if (this.isPaused) return false;
    const run = this.admission.next(this.#parts.clock.monotonicMs());
    if (!run) return false;
    this.#start(run);
    return true;
  }

  /** Tells a run to stop, or takes it back where it has not started. */
  stop(run: Run, as: "timed-out" | "cancelled" | "replaced", why: string): void {
    if (run.state !== "running") return this.drop(run, as === "replaced" ? as : "cancelled");
    run.stoppedAs ??= as;
    run.context?.stop.raise(new AuroraError(as === "timed-out" ? "timed-out" : "interrupted", why));
  }

  /** Takes back a run that has not started. */
  drop(run: Run, as: "cancelled" | "replaced"): void {
    this.admission.remove(run);
    this.#clearAlarm(run);
    this.runs.delete(run);
    run.job.active.delete(run);
    const position = run.job.queued.indexOf(run);
    if (position !== -1) run.job.queued.splice(position, 1);
    this.#parts.journal.recordUnstarted(run.job, run.scheduledAt, as, 1);
  }

  /** The job is paused: what waits of it waits for the end of the pause. */
  hold(job: Job): void {
    for (const run of job.active)
      if (run.state === "waiting" && this.admission.remove(run)) run.state = "held";
  }

  /** The pause is over. */
  release(job: Job): void {
    for (const run of job.active) if (run.state === "held") this.#admit(run);
  }

  /** Lets the next queued run of a job go on, where none is before it. Returns false where none waits. */
  activateNext(job: Job): boolean {
    const queued = job.active.size === 0 ? job.queued.shift() : undefined;
    if (queued) this.#activate(queued);
    return queued !== undefined;
  }

  #activate(run: Run): void {
    run.job.active.add(run);
    this.#admit(run);
  }

  #admit(run: Run): void {
    if (run.job.isPaused) {
      run.state = "held";
      return;
    }
    run.state = "waiting";
    this.admission.add(run, this.#parts.clock.monotonicMs());
  }

  #start(run: Run): void {
    const { clock, journal } = this.#parts;
    const { job, scheduledAt } = run;
    const { id, timeoutMs, run: execute } = job.definition;
    const startedMs = clock.monotonicMs();
    const context = run.begin(startedMs, clock.wallMs(), clock.soon);
    if (timeoutMs !== undefined)
      this.#setAlarm(run, startedMs + timeoutMs, () =>
        this.stop(run, "timed-out", `the run took longer than ${timeoutMs} ms`),
      );
    journal.emit({ kind: "started", jobId: id, scheduledAt, attempt: run.attempt });
    let result: unknown;
    let failure: { error: unknown } | undefined;
    try {
      result = execute(context);
    } catch (error) {
      failure = { error };
    }
    const heldMs = clock.monotonicMs() - startedMs;
    if (heldMs >= HELD_FROM_MS) journal.emit({ kind: "held", jobId: id, heldMs });
    if (failure || !isThenable(result)) return this.#end(run, failure);
    result.then(
      () => this.#end(run, undefined),
      (error: unknown) => this.#end(run, { error }),
    );
  }

  #end(run: Run, failure: { error: unknown } | undefined): void {
    const { clock, journal, loop, random } = this.#parts;
    const { job, scheduledAt, attempt } = run;
    this.#clearAlarm(run);
    this.admission.release(run);
    const outcome = run.stoppedAs ?? (failure ? "failed" : "succeeded");
    const error = failure?.error ?? (outcome === "timed-out" ? run.context?.stop.reason : undefined);
    run.context = undefined;
    journal.record(job, {
      jobId: job.id,
      scheduledAt,
      attempt,
      outcome,
      startedAt: run.startedAt,
      durationMs: clock.monotonicMs() - run.startedMs,
      error,
      count: 1,
      lastDueAt: scheduledAt,
    });
    const { retry } = job.definition;
    const isRetried = (outcome === "failed" || outcome === "timed-out") && retry && attempt <= retry.limit;
    if (!isRetried || job.isRemoved || this.isClosing) return this.#finish(run);
    const delayMs = retryDelay(retry, attempt, random());
    run.state = "retrying";
    run.stoppedAs = undefined;
    this.#setAlarm(run, clock.monotonicMs() + delayMs, () => this.#admit(run));
    journal.emit({ kind: "retry", jobId: job.id, scheduledAt, attempt: attempt + 1, delayMs });
    loop.wake();
  }

  /** A run is through, with all its tries: what waited for that goes on. */
  #finish(run: Run): void {
    const { job } = run;
    this.runs.delete(run);
    job.active.delete(run);
    if (job.active.size === 0 && !this.activateNext(job)) this.#parts.jobIdle(job);
    this.#parts.loop.wake();
  }

  #setAlarm(run: Run, atMs: number, ring: () => void): void {
    run.alarm = new Alarm(ring);
    run.alarmMs = atMs;
    this.#parts.loop.setAlarm(run.alarm, atMs);
  }

  #clearAlarm(run: Run): void {
    if (run.alarm) this.#parts.loop.clearAlarm(run.alarm);
    run.alarm = undefined;
  }
}
