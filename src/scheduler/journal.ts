import { type ClockChange } from "./clock-watch.ts";
import { type Job, type RunOutcome, type RunRecord } from "./job.ts";

/** So many failures of plain tasks and jobs are kept. */
export const FAILURE_LIMIT = 100;

export type SchedulerEvent =
  /** A time of the job has come, and it will run as soon as it may. */
  | { kind: "due"; jobId: string; scheduledAt: number }
  | { kind: "started"; jobId: string; scheduledAt: number; attempt: number }
  | { kind: "recorded"; record: RunRecord }
  | { kind: "retry"; jobId: string; scheduledAt: number; attempt: number; delayMs: number }
  /** All runs of the job have ended, and no more will come. */
  | { kind: "over"; jobId: string }
  | { kind: "task-failed"; scheduledAt: number; error: unknown }
  | { kind: "clock-changed"; change: ClockChange }
  /** A job did not let anything else run for so long. */
  | { kind: "held"; jobId: string; heldMs: number };

/** A task, a job or a listener that threw. Kept for whoever looks later. */
export type Failure = { jobId: string | undefined; scheduledAt: number; error: unknown };

/** Where everything that happens is written down: no error is lost, and none stops the scheduler. */
export class Journal {
  /** The last failures, oldest first. */
  readonly failures: Failure[] = [];
  #onEvent: (event: SchedulerEvent) => void;
  #wallMs: () => number;

  constructor(onEvent: (event: SchedulerEvent) => void, wallMs: () => number) {
    this.#onEvent = onEvent;
    this.#wallMs = wallMs;
  }

  emit(event: SchedulerEvent): void {
    try {
      this.#onEvent(event);
    } catch (error) {
      this.#keep({ jobId: undefined, scheduledAt: this.#wallMs(), error });
    }
  }

  taskFailed(error: unknown, scheduledAt: number): void {
    this.#keep({ jobId: undefined, scheduledAt, error });
    this.emit({ kind: "task-failed", scheduledAt, error });
  }

  record(job: Job, record: RunRecord): void {
    job.record(record);
    const { jobId, scheduledAt, outcome, error } = record;
    if (outcome === "failed" || outcome === "timed-out") this.#keep({ jobId, scheduledAt, error });
    this.emit({ kind: "recorded", record });
  }

  /** Records runs that never started. */
  recordUnstarted(
    job: Job,
    scheduledAt: number,
    outcome: RunOutcome,
    count: number,
    lastDueAt: number = scheduledAt,
  ): void {
    const none = { startedAt: undefined, durationMs: undefined, error: undefined };
    this.record(job, { jobId: job.id, scheduledAt, attempt: 0, outcome, count, lastDueAt, ...none });
  }

  #keep(failure: Failure): void {
    this.failures.push(failure);
    if (this.failures.length > FAILURE_LIMIT) this.failures.shift();
  }
}
