import { AuroraError } from "../errors.ts";
import { AGING_MS } from "./admission.ts";
import { CLOCK_CHECK_MS, CLOCK_RESET_MS, type ClockState, compareClocks, readClocks } from "./clock-watch.ts";
import { type Clock, systemClock } from "./clock.ts";
import { checkDefinition, type JobDefinition } from "./job-definition.ts";
import { Job, type OpenRun, type Run, type RunRecord } from "./job.ts";
import { type Failure, Journal, type SchedulerEvent } from "./journal.ts";
import { DEFAULT_GRACE_MS, takeDue } from "./misfire.ts";
import { Runner } from "./runner.ts";
import { type TaskFunction } from "./task-context.ts";
import { timelineOf } from "./timeline.ts";
import { Alarm, SLICE_MS, type Task, TimerLoop } from "./timer-loop.ts";
import { nextRuns, type UpcomingRun } from "./upcoming.ts";
import { type WhyNot, whyNotRunning } from "./why-not-running.ts";

/** After the deadline of a drain, what was told to stop has so long to do it. */
export const ABORT_GRACE_MS = 1000;

export type SchedulerOptions = {
  clock?: Clock;
  /** Numbers from 0 to 1, without 1, for the delays between retries. */
  random?: () => number;
  /** How much of each tag there is. A tag that is not here has no limit. */
  capacities?: Readonly<Record<string, number>>;
  sliceMs?: number;
  agingMs?: number;
  /** Called for everything that happens. What it throws is kept among the failures, and changes nothing. */
  onEvent?: (event: SchedulerEvent) => void;
};

export type DrainResult = {
  /** Plain tasks that were not due yet. */
  droppedTasks: number;
  /** Jobs with runs that were waiting and did not start. */
  cancelled: string[];
  /** Jobs with runs that were told to stop at the deadline. */
  aborted: string[];
  /** Those of them that did not stop. Plain tasks are called "task". */
  stuck: string[];
};

type Drain = { result: DrainResult; done: PromiseWithResolvers<DrainResult>; isOver: boolean };

/** Runs functions later, or again and again, in slices between which the event loop breathes. docs/scheduler.md has the rules. */
export class Scheduler {
  #clock: Clock;
  #journal: Journal;
  #loop: TimerLoop;
  #runner: Runner;
  #jobs = new Map<string, Job>();
  /** Jobs that wait for a time of the wall clock. */
  #wallJobs = new Set<Job>();
  #clocks: ClockState;
  #drain: Drain | undefined;

  constructor(options: SchedulerOptions = {}) {
    this.#clock = options.clock ?? systemClock();
    this.#journal = new Journal(options.onEvent ?? (() => {}), this.#clock.wallMs);
    this.#clocks = readClocks(this.#clock);
    this.#loop = new TimerLoop(this.#clock, options.sliceMs ?? SLICE_MS, {
      beforeTurn: () => this.#watchClock(),
      work: () => this.#runner.startNext(),
      longestSleepMs: () => (this.#wallJobs.size > 0 ? CLOCK_CHECK_MS : Infinity),
      taskFailed: (error, scheduledAt) => this.#journal.taskFailed(error, scheduledAt),
      settled: () => this.#checkDrain(),
    });
    this.#runner = new Runner({
      clock: this.#clock,
      loop: this.#loop,
      journal: this.#journal,
      random: options.random ?? Math.random,
      agingMs: options.agingMs ?? AGING_MS,
      jobIdle: (job) => this.#jobIdle(job),
    });
    for (const [tag, capacity] of Object.entries(options.capacities ?? {}))
      this.#runner.admission.setCapacity(tag, capacity);
  }

  /** The last failures of tasks, jobs and the listener, oldest first, at most `FAILURE_LIMIT`. */
  get failures(): readonly Failure[] {
    return this.#journal.failures;
  }

  /**
   * Runs a function once, in the order of due times and, among equal ones, of calls.
   *
   * @param delayMs 0 to 2^45 milliseconds on the monotonic clock
   * @throws {AuroraError} `usage` for another delay, `conflict` while draining
   */
  after(delayMs: number, run: TaskFunction): Task {
    if (this.#drain) throw this.#closed();
    return this.#loop.after(delayMs, run);
  }

  /** Cancels a task that has not begun, or tells a running one to stop. Returns false for one that has ended. */
  cancel(task: Task): boolean {
    return this.#loop.cancel(task);
  }

  /**
   * Adds a job.
   *
   * @param open its runs that an earlier process has left unfinished: they go on
   * @throws {AuroraError} `usage` for a definition that makes no sense, `exists` for an id that is in use, `conflict` while
   *   draining
   */
  add(definition: JobDefinition, open: readonly OpenRun[] = []): void {
    if (this.#drain) throw this.#closed();
    checkDefinition(definition);
    const { id, tags = {} } = definition;
    if (this.#jobs.has(id))
      throw new AuroraError("exists", `cannot schedule the job "${id}": there is one of that id`);
    for (const [tag, amount] of Object.entries(tags)) {
      const capacity = this.#runner.admission.capacityOf(tag);
      if (amount > capacity)
        throw new AuroraError(
          "usage",
          `cannot schedule the job "${id}": it needs ${amount} of "${tag}", and there is ${capacity}`,
        );
    }
    this.#watchClock();
    const timeline = timelineOf(definition, {
      monotonicMs: this.#clock.monotonicMs(),
      wallMs: this.#clock.wallMs(),
    });
    const job: Job = new Job(definition, timeline, new Alarm(() => this.#trigger(job)));
    this.#jobs.set(id, job);
    for (const run of open) this.#runner.goOn(job, run);
    this.#place(job);
  }

  /** Goes on with a run that was ended from outside before it was through. @throws {AuroraError} `not-found` */
  goOn(id: string, open: OpenRun): void {
    this.#runner.goOn(this.#known(id), open);
  }

  /** Takes a job out: what waits of it is cancelled, what runs is told to stop. Returns false where there is none. */
  remove(id: string): boolean {
    const job = this.#jobs.get(id);
    if (!job) return false;
    job.isRemoved = true;
    this.#jobs.delete(id);
    this.#unplace(job);
    for (const run of job.queued.splice(0)) this.#runner.drop(run, "cancelled");
    for (const run of job.active) this.#runner.stop(run, "cancelled", `the job "${id}" was removed`);
    this.#loop.wake();
    return true;
  }

  /**
   * Lets a job run now, besides its schedule; its overlap policy holds.
   *
   * @returns whether it starts, waits for an earlier run, replaces it, or is skipped
   * @throws {AuroraError} `not-found`
   */
  runNow(id: string): "start" | "skip" | "queue" | "replace" {
    const decision = this.#runner.occur(this.#known(id), this.#clock.wallMs());
    this.#loop.wake();
    return decision;
  }

  /** Keeps everything, one job or all that need a tag from starting. What runs goes on. @throws {AuroraError} `not-found` */
  pause(what: "all" | { job: string } | { tag: string } = "all"): void {
    if (what === "all") {
      this.#runner.isPaused = true;
      this.#loop.holdTasks();
    } else if ("tag" in what) this.#runner.admission.pause(what.tag);
    else {
      const job = this.#known(what.job);
      if (job.isPaused) return;
      job.isPaused = true;
      this.#unplace(job);
      this.#runner.hold(job);
    }
  }

  /** Ends a pause. What came due meanwhile is late, and handled as its `misfire` says. @throws {AuroraError} `not-found` */
  resume(what: "all" | { job: string } | { tag: string } = "all"): void {
    if (what === "all") {
      this.#runner.isPaused = false;
      this.#loop.releaseTasks();
      for (const job of this.#jobs.values()) if (!job.isPaused) this.#place(job);
    } else if ("tag" in what) this.#runner.admission.resume(what.tag);
    else {
      const job = this.#known(what.job);
      if (!job.isPaused) return;
      job.isPaused = false;
      this.#runner.release(job);
      this.#place(job);
    }
    this.#loop.wake();
  }

  /** Changes how much of a tag there is. Runs that have started keep what they took. */
  setCapacity(tag: string, capacity: number): void {
    this.#runner.admission.setCapacity(tag, capacity);
    this.#loop.wake();
  }

  /** Whether pending tasks keep the process alive. They do at first. */
  setRef(isRef: boolean): void {
    this.#loop.setRef(isRef);
  }

  /** The next `count` runs of all jobs that are not paused, earliest first. */
  next(count: number): UpcomingRun[] {
    this.#watchClock();
    return nextRuns(this.#jobs.values(), this.#clocks.offsetMs, count);
  }

  /** The ids of all jobs that are not over, in the order they were added. */
  get jobIds(): string[] {
    return [...this.#jobs.keys()];
  }

  /** What was recorded of a job, oldest first, at most `HISTORY_LIMIT`. @throws {AuroraError} `not-found` */
  history(id: string): readonly RunRecord[] {
    return this.#known(id).history;
  }

  /** Why a job does not run at this moment, in words too. */
  whyNotRunning(id: string): WhyNot {
    return whyNotRunning(this.#jobs.get(id), id, {
      offsetMs: this.#clocks.offsetMs,
      isPaused: this.#runner.isPaused,
      blockersOf: (run) => this.#runner.admission.blockersOf(run),
    });
  }

  /**
   * Ends the work: nothing new is due from now on, and what is due runs to its end. At the deadline, what still waits is
   * cancelled and what runs is told to stop.
   *
   * @param deadlineMs milliseconds from now
   */
  drain(deadlineMs: number): Promise<DrainResult> {
    if (this.#drain) return this.#drain.done.promise;
    const result: DrainResult = { droppedTasks: 0, cancelled: [], aborted: [], stuck: [] };
    this.#drain = { result, done: Promise.withResolvers(), isOver: false };
    this.#runner.isClosing = true;
    for (const job of this.#jobs.values()) this.#unplace(job);
    for (const run of this.#runner.runs)
      if (
        run.state === "retrying" ||
        run.state === "held" ||
        (this.#runner.isPaused && run.state !== "running")
      )
        this.#cancelInDrain(run);
    const deadline = new Alarm(() => this.#abortInDrain());
    this.#loop.setAlarm(deadline, this.#clock.monotonicMs() + deadlineMs);
    this.#loop.close();
    return this.#drain.done.promise;
  }

  #known(id: string): Job {
    const job = this.#jobs.get(id);
    if (!job) throw new AuroraError("not-found", `there is no job "${id}"`);
    return job;
  }

  #closed(): AuroraError {
    return new AuroraError("conflict", "cannot schedule anything: the scheduler is about to stop");
  }

  /** Sets the job's alarm for its next time. */
  #place(job: Job): void {
    const { timeline, dueMs } = job;
    if (dueMs === undefined || job.remaining <= 0 || job.isPaused || this.#drain) {
      this.#unplace(job);
      this.#endIfOver(job);
      return;
    }
    const at = dueMs + job.jitterMs;
    if (timeline.clock === "monotonic") return this.#loop.setAlarm(job.trigger, at);
    this.#loop.setAlarm(job.trigger, at - this.#clocks.offsetMs);
    this.#wallJobs.add(job);
    if (this.#wallJobs.size === 1) this.#loop.rearm();
  }

  #unplace(job: Job): void {
    this.#loop.clearAlarm(job.trigger);
    this.#wallJobs.delete(job);
  }

  #endIfOver(job: Job): void {
    if (!job.isOver || job.isPaused || this.#drain || this.#jobs.get(job.id) !== job) return;
    this.#jobs.delete(job.id);
    this.#journal.emit({ kind: "over", jobId: job.id });
  }

  /** The job's alarm rang: decides which of its times run, and sets the alarm for the next one. */
  #trigger(job: Job): void {
    // When the pause ends, the job is placed again, and is late then.
    if (this.#runner.isPaused) return;
    const { timeline, definition } = job;
    const isWall = timeline.clock === "wall";
    const clockMs = isWall ? this.#clock.wallMs() : this.#clock.monotonicMs();
    const now = clockMs - job.jitterMs;
    const due = job.dueMs as number;
    // The clock was set back a little: never early.
    if (now < due) return this.#loop.setAlarm(job.trigger, this.#clock.monotonicMs() + due - now);
    const { misfire = "run-once", graceMs = DEFAULT_GRACE_MS } = definition;
    const { run, missed, next, last } = takeDue(timeline, due, now, misfire, graceMs);
    job.dueMs = next;
    if (missed > 0)
      this.#journal.recordUnstarted(
        job,
        this.#wallTime(job, due),
        "missed",
        missed,
        this.#wallTime(job, last),
      );
    for (const at of run.slice(0, job.remaining)) {
      job.remaining--;
      this.#runner.occur(job, this.#wallTime(job, at));
    }
    if (job.active.size === 0) this.#followEnd(job);
    this.#place(job);
  }

  /** Fixed delay: the next time follows the end of a run. */
  #followEnd(job: Job): void {
    const { delayMs, lastMs } = job.timeline;
    if (delayMs === undefined || job.dueMs !== undefined || job.isRemoved) return;
    const due = this.#clock.monotonicMs() + delayMs;
    if (due <= lastMs) job.dueMs = due;
  }

  #wallTime(job: Job, ms: number): number {
    return job.timeline.clock === "wall" ? ms : Math.round(ms + this.#clocks.offsetMs);
  }

  /** The last run of the job has ended. */
  #jobIdle(job: Job): void {
    if (job.isRemoved) return;
    this.#followEnd(job);
    if (job.timeline.delayMs !== undefined) this.#place(job);
    this.#endIfOver(job);
  }

  /** Notices that the wall clock was set, or that the machine slept, and puts the jobs that follow it where they belong. */
  #watchClock(): void {
    const compared = compareClocks(this.#clocks, this.#clock);
    if (!compared) return;
    this.#clocks = compared.state;
    this.#loop.wallOffsetMs = compared.state.offsetMs;
    const wallMs = this.#clock.wallMs();
    for (const job of this.#wallJobs) {
      if (compared.setByMs < -CLOCK_RESET_MS && job.definition.schedule.kind === "cron")
        job.dueMs = job.timeline.after(wallMs - job.jitterMs);
      this.#place(job);
    }
    for (const change of compared.changes) this.#journal.emit({ kind: "clock-changed", change });
  }

  #cancelInDrain(run: Run): void {
    this.#drain?.result.cancelled.push(run.job.id);
    this.#runner.drop(run, "cancelled");
    this.#runner.activateNext(run.job);
  }

  /** The deadline of the drain has come. */
  #abortInDrain(): void {
    const { aborted } = (this.#drain as Drain).result;
    for (const run of this.#runner.runs)
      if (run.state === "running") {
        aborted.push(run.job.id);
        this.#runner.stop(run, "cancelled", "the scheduler stops");
      } else this.#cancelInDrain(run);
    for (const task of this.#loop.runningTasks) {
      aborted.push("task");
      this.cancel(task);
    }
    const grace = new Alarm(() => this.#endDrain());
    this.#loop.setAlarm(grace, this.#clock.monotonicMs() + ABORT_GRACE_MS);
  }

  #checkDrain(): void {
    const isIdle = this.#runner.runs.size === 0 && this.#loop.runningTasks.size === 0;
    if (this.#drain && isIdle && this.#loop.isQuiet) this.#endDrain();
  }

  #endDrain(): void {
    const drain = this.#drain as Drain;
    if (drain.isOver) return;
    drain.isOver = true;
    drain.result.droppedTasks = this.#loop.dropped;
    for (const run of this.#runner.runs) drain.result.stuck.push(run.job.id);
    for (let i = this.#loop.runningTasks.size; i > 0; i--) drain.result.stuck.push("task");
    this.#loop.stop();
    drain.done.resolve(drain.result);
  }
}
