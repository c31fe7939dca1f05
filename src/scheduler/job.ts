import { DEFAULT_PRIORITY, type Demand } from "./admission.ts";
import { type JobDefinition } from "./job-definition.ts";
import { stableJitter } from "./stable-jitter.ts";
import { StopFlag, type TaskContext } from "./task-context.ts";
import { type Timeline } from "./timeline.ts";
import { type Alarm } from "./timer-loop.ts";

export type RunOutcome =
  | "succeeded"
  | "failed"
  | "timed-out"
  | "cancelled"
  | "replaced"
  /** Not started, since an earlier run had not ended. */
  | "skipped"
  /** Not started, since its time passed while nothing could run. */
  | "missed";

/** What became of one try of a run, or of runs that never started. Moments are milliseconds since 1970-01-01T00:00Z. */
export type RunRecord = {
  jobId: string;
  scheduledAt: number;
  /** 0 for runs that never started. */
  attempt: number;
  outcome: RunOutcome;
  startedAt: number | undefined;
  durationMs: number | undefined;
  /** What the function threw. */
  error: unknown;
  /** How many runs this stands for: more than 1 for missed ones only. */
  count: number;
  /** The last time that was due when it was recorded: of missed runs, no earlier one is left. */
  lastDueAt: number;
};

/** A run that an earlier process has begun or let wait: it is to go on after `delayMs`, with the try after `tries`. */
export type OpenRun = { scheduledAt: number; tries: number; delayMs: number };

/** So many records are kept for each job. */
export const HISTORY_LIMIT = 20;

/** What one try of a run gets. */
class RunContext implements TaskContext {
  readonly scheduledAt: number;
  readonly attempt: number;
  readonly stop = new StopFlag();
  #soon: (run: () => void) => void;

  constructor(scheduledAt: number, attempt: number, soon: (run: () => void) => void) {
    this.scheduledAt = scheduledAt;
    this.attempt = attempt;
    this.#soon = soon;
  }

  get signal(): AbortSignal {
    return this.stop.signal;
  }

  get yield(): () => Promise<void> {
    return () => this.stop.yield(this.#soon);
  }
}

/** One scheduled time of a job on its way to its end, through all its tries. */
export class Run implements Demand {
  readonly job: Job;
  readonly scheduledAt: number;
  state: "waiting" | "queued" | "held" | "running" | "retrying" = "waiting";
  attempt = 0;
  context: RunContext | undefined;
  /** Its timeout while it runs, or its next try. */
  alarm: Alarm | undefined;
  alarmMs = 0;
  startedMs = 0;
  startedAt = 0;
  /** What it will be recorded as, once it has ended, because it was told to stop. */
  stoppedAs: "timed-out" | "cancelled" | "replaced" | undefined;

  constructor(job: Job, scheduledAt: number) {
    this.job = job;
    this.scheduledAt = scheduledAt;
  }

  /** Begins the next try. */
  begin(nowMs: number, wallMs: number, soon: (run: () => void) => void): TaskContext {
    this.state = "running";
    this.attempt++;
    this.startedMs = nowMs;
    this.startedAt = wallMs;
    this.context = new RunContext(this.scheduledAt, this.attempt, soon);
    return this.context;
  }

  get tags(): ReadonlyMap<string, number> {
    return this.job.tags;
  }

  get priority(): number {
    return this.job.definition.priority ?? DEFAULT_PRIORITY;
  }
}

/** A job and where it stands. Only the scheduler changes it. */
export class Job {
  readonly definition: JobDefinition;
  readonly timeline: Timeline;
  readonly jitterMs: number;
  readonly tags: ReadonlyMap<string, number>;
  readonly trigger: Alarm;
  /** The next scheduled time on the clock of its timeline, without jitter. */
  dueMs: number | undefined;
  /** How many runs it may still begin. */
  remaining: number;
  isPaused = false;
  isRemoved = false;
  /** Runs that have not ended, but for the queued ones. */
  readonly active = new Set<Run>();
  /** Runs that wait for the active ones to end. */
  readonly queued: Run[] = [];
  readonly history: RunRecord[] = [];

  constructor(definition: JobDefinition, timeline: Timeline, trigger: Alarm) {
    this.definition = definition;
    this.timeline = timeline;
    this.trigger = trigger;
    this.jitterMs = stableJitter(definition.id, definition.jitterMs ?? 0);
    this.tags = new Map(Object.entries(definition.tags ?? {}));
    this.remaining = definition.count ?? Infinity;
    this.dueMs = timeline.first;
  }

  get id(): string {
    return this.definition.id;
  }

  /** Whether nothing of it is left to come. */
  get isOver(): boolean {
    return (
      (this.dueMs === undefined || this.remaining <= 0) && this.active.size === 0 && this.queued.length === 0
    );
  }

  record(record: RunRecord): void {
    this.history.push(record);
    if (this.history.length > HISTORY_LIMIT) this.history.shift();
  }
}
