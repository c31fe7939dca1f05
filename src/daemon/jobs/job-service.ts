import { type FSWatcher, watch } from "node:fs";

import { AuroraError, toAuroraError } from "../../errors.ts";
import { type HomeLock } from "../../lifecycle/home-lock.ts";
import { interruptDeadRuns } from "../../lifecycle/job-runs.ts";
import { runJobScript } from "../../lifecycle/job-script.ts";
import { anchorJobs, type PackJob, packJobs } from "../../lifecycle/jobs.ts";
import { timestamp, type Workspace } from "../../lifecycle/workspace.ts";
import { appendEvent } from "../../registry/events.ts";
import { lastJobRuns, openJobRuns } from "../../registry/job-runs.ts";
import { jobIdOf, type PauseRow, pauses, setPause } from "../../registry/jobs.ts";
import { type Clock, systemClock, type Timer } from "../../scheduler/clock.ts";
import { type OpenRun } from "../../scheduler/job.ts";
import { type SchedulerEvent } from "../../scheduler/journal.ts";
import { type DrainResult, Scheduler } from "../../scheduler/scheduler.ts";
import { type TaskContext } from "../../scheduler/task-context.ts";
import { definitionOf, isDone } from "./job-timing.ts";
import { RunKeeper } from "./run-keeper.ts";
import { RunRecorder } from "./run-recorder.ts";
import { takeSchedulerLock } from "./scheduler-lock.ts";

/** So often the service looks whether another process has changed the registry; mostly it is told at once. */
const POLL_MS = 1000;
/** How long running jobs have to end by themselves when the service is disposed of, in milliseconds. */
export const DRAIN_MS = 10_000;

/**
 * How long, in milliseconds, what was told to stop has to end, and the last records have to be written, before this process
 * goes all the same: the next one finds what is missing.
 */
const LAST_RECORDS_MS = 15_000;

export type JobWorld = {
  /** Its registry is open for writing. */
  workspace: Workspace;
  /** What this process is called where another one is refused: "schedule run --foreground". */
  command: string;
  /** Finishes what a crash has left of a transaction, where nobody is at work on it. */
  settle: () => Promise<void>;
  /** How much of each tag there is; of others there is no limit. */
  capacities?: Readonly<Record<string, number>>;
  clock?: Clock;
  random?: () => number;
  /** How often it looks for what it is not told, in milliseconds. */
  pollMs?: number;
  /** Runs one try: by default as a process. */
  execute?: typeof runJobScript;
};

export type PauseTarget = Pick<PauseRow, "kind" | "name">;

/**
 * Runs the jobs of a home: those that the registry says there are, at any moment. It is level-triggered: whoever changes
 * what is live, or adds, removes or pauses a job, writes to the registry and need not tell. One process of a home does this.
 */
export class JobService {
  /** Resolves with what made going on impossible. */
  readonly broken: Promise<AuroraError>;
  #world: JobWorld;
  #clock: Clock;
  #scheduler: Scheduler;
  #recorder: RunRecorder;
  #keeper: RunKeeper;
  #break: (error: AuroraError) => void;
  #lock: HomeLock | undefined;
  #known = new Map<string, { job: PackJob; spec: string }>();
  #pauses = new Map<string, PauseTarget>();
  #version = -1;
  #watcher: FSWatcher | undefined;
  #poll: Timer | undefined;
  #isTending = false;
  #isStopped = false;

  constructor(world: JobWorld) {
    const broken = Promise.withResolvers<AuroraError>();
    this.broken = broken.promise;
    this.#break = broken.resolve;
    this.#world = world;
    this.#clock = world.clock ?? systemClock();
    this.#scheduler = new Scheduler({
      clock: this.#clock,
      ...(world.random ? { random: world.random } : {}),
      ...(world.capacities ? { capacities: world.capacities } : {}),
      onEvent: (event) => this.#onEvent(event),
    });
    this.#recorder = new RunRecorder(world.workspace.registry, this.#clock, (error, isFinal) => {
      if (isFinal) this.#break(error);
      else world.workspace.warn(`no job begins before this can be recorded: ${error.message}`);
    });
    this.#keeper = new RunKeeper({
      workspace: world.workspace,
      clock: this.#clock,
      recorder: this.#recorder,
      execute: world.execute ?? runJobScript,
      scheduler: () => this.#scheduler,
    });
  }

  /**
   * Takes the lock, records what a crash has interrupted, and begins.
   *
   * @throws {AuroraError} `locked`, naming the process that runs the jobs of this home already
   */
  async start(): Promise<void> {
    const { workspace, command, settle } = this.#world;
    this.#lock = takeSchedulerLock(workspace, command);
    await settle();
    await interruptDeadRuns(workspace);
    for (const row of lastJobRuns(workspace.registry))
      if ((row.state === "failed" || row.state === "timed-out") && row.retry_ms === null)
        this.#keeper.failing.add(jobIdOf(row));
    this.#version = this.#dataVersion();
    this.reload();
    this.#watch();
  }

  /** Brings the scheduler in line with what the registry says now. Runs of jobs that are as they were go on. */
  reload(): void {
    const { workspace } = this.#world;
    const jobs = this.#anchored();
    const present = new Map(jobs.map((job) => [job.id, job]));
    const wanted = pauses(workspace.registry);
    this.#pauseDifference(wanted);
    for (const [id, { spec }] of this.#known) {
      const job = present.get(id);
      if (job && JSON.stringify(job.spec) === spec) continue;
      this.#scheduler.remove(id);
      if (!job) this.#known.delete(id);
    }
    for (const job of jobs) {
      const known = this.#known.get(job.id);
      const spec = JSON.stringify(job.spec);
      if (known?.spec === spec) continue;
      this.#known.set(job.id, { job, spec });
      // What was open of another spec is about to be recorded as cancelled.
      this.#add(job, known ? [] : this.#openRuns(job));
      const pause = wanted.find(({ kind, name }) => kind === "job" && name === job.id);
      if (pause) this.#setPaused(pause, true);
    }
  }

  /**
   * Lets a job run now, besides its schedule.
   *
   * @returns the scheduled time under which it is recorded, and whether it starts, waits, replaces a run, or is skipped
   * @throws {AuroraError} `not-found`
   */
  runNow(id: string): { scheduledMs: number; decision: "start" | "skip" | "queue" | "replace" } {
    const scheduledMs = this.#clock.wallMs();
    this.#keeper.isManual = true;
    try {
      return { scheduledMs, decision: this.#scheduler.runNow(id) };
    } finally {
      this.#keeper.isManual = false;
    }
  }

  /** Pauses everything, a tag or a job, for good: also for the next process that runs the jobs. */
  pause(target: PauseTarget): void {
    setPause(this.#world.workspace.registry, target, timestamp(this.#world.workspace));
    this.reload();
  }

  resume(target: PauseTarget): void {
    setPause(this.#world.workspace.registry, target, undefined);
    this.reload();
  }

  /**
   * Ends the work: what is due runs to its end, up to the deadline; then it is told to stop, and is recorded as interrupted.
   * What waited or was to be tried again stays on record for the next process.
   */
  async drain(deadlineMs: number): Promise<DrainResult> {
    this.#keeper.isDraining = true;
    this.#keeper.signalChange();
    const result = await this.#scheduler.drain(deadlineMs);
    const tooLate = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(LAST_RECORDS_MS, tooLate.resolve);
    const { registry } = this.#world.workspace;
    const ended = this.#keeper
      .idle()
      .then(() => (registry.isReplaced ? undefined : this.#recorder.write(() => {})));
    await Promise.race([ended, this.broken, tooLate.promise]);
    timer.cancel();
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What a job does for a home that is gone, or is another by now, is recorded nowhere.
    const { registry } = this.#world.workspace;
    if (this.#lock && !this.#isStopped) await this.drain(registry.isReplaced ? 0 : DRAIN_MS);
    this.#isStopped = true;
    this.#watcher?.close();
    this.#poll?.cancel();
    this.#lock?.[Symbol.dispose]();
  }

  /** The jobs that there are, each with a place from which it counts. */
  #anchored(): PackJob[] {
    const { registry } = this.#world.workspace;
    const jobs = packJobs(registry);
    const fresh = new Set(jobs.filter(({ state }) => !state).map(({ packId }) => packId));
    if (fresh.size === 0) return jobs;
    registry.write(() => {
      for (const packId of fresh) anchorJobs(registry, packId, this.#clock.wallMs());
    });
    return packJobs(registry);
  }

  #add(job: PackJob, open: readonly OpenRun[]): void {
    const { workspace } = this.#world;
    if (isDone(job) && open.length === 0) return;
    try {
      const run = (context: TaskContext) => this.#keeper.run(job, context);
      this.#scheduler.add({ ...definitionOf(job, this.#clock.wallMs()), run }, open);
    } catch (thrown) {
      const { message } = toAuroraError(thrown);
      workspace.warn(message);
      const detail = { job: job.name, reason: message };
      void this.#recorder.write(() =>
        appendEvent(workspace.registry, {
          at: timestamp(workspace),
          packId: job.packId,
          kind: "job-refused",
          detail,
        }),
      );
    }
  }

  /** What an earlier process has left of a job. */
  #openRuns({ id }: PackJob): OpenRun[] {
    const nowMs = this.#clock.wallMs();
    const rows = openJobRuns(this.#world.workspace.registry).filter(
      (row) => jobIdOf(row) === id && row.state !== "running",
    );
    // A try that waits beside the failure that it follows stands for both: the newest one counts.
    const newest = new Map(rows.map((row) => [row.scheduled_ms, row]));
    return [...newest.values()].map(({ scheduled_ms, state, attempt, retry_ms }) => ({
      scheduledAt: scheduled_ms,
      tries: state === "waiting" ? attempt - 1 : attempt,
      delayMs: state === "waiting" ? 0 : Math.max(0, (retry_ms ?? nowMs) - nowMs),
    }));
  }

  #pauseDifference(rows: readonly PauseRow[]): void {
    const wanted = new Map(rows.map((row) => [`${row.kind} ${row.name}`, row]));
    for (const [key, row] of wanted) if (!this.#pauses.has(key)) this.#setPaused(row, true);
    for (const [key, target] of this.#pauses) if (!wanted.has(key)) this.#setPaused(target, false);
    this.#pauses = wanted;
  }

  #setPaused({ kind, name }: PauseTarget, isPaused: boolean): void {
    // A job that is over, or that the scheduler has refused, need not be paused.
    if (kind === "job" && this.#scheduler.whyNotRunning(name).state === "unknown") return;
    const what = kind === "all" ? "all" : kind === "tag" ? { tag: name } : { job: name };
    if (isPaused) this.#scheduler.pause(what);
    else this.#scheduler.resume(what);
  }

  #onEvent(event: SchedulerEvent): void {
    const { workspace } = this.#world;
    const jobOf = (id: string) => this.#known.get(id)?.job;
    switch (event.kind) {
      case "due": {
        const job = jobOf(event.jobId);
        if (job) this.#keeper.due(job, event.scheduledAt);
        return;
      }
      case "recorded":
        return this.#keeper.recorded(jobOf(event.record.jobId), event.record);
      case "retry": {
        const job = jobOf(event.jobId);
        if (job) this.#keeper.retried(job, event.scheduledAt, event.attempt - 1, event.delayMs);
        return;
      }
      case "clock-changed":
        void this.#recorder.write(() =>
          appendEvent(workspace.registry, {
            at: timestamp(workspace),
            packId: null,
            kind: "clock-changed",
            detail: { change: event.change.kind, by_ms: event.change.byMs },
          }),
        );
    }
  }

  /** The home's directory tells of each write to the database; the poll is for where it does not. */
  #watch(): void {
    const { workspace, pollMs = POLL_MS } = this.#world;
    const { home } = workspace.paths;
    try {
      this.#watcher = watch(home, (_event, name) => {
        if (name?.startsWith("state.db")) this.#look();
      });
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch {
      // Then the poll has to do.
    }
    const poll = () => {
      this.#poll = this.#clock.setTimer(pollMs, poll);
      this.#look();
      void this.#tend();
    };
    this.#poll = this.#clock.setTimer(pollMs, poll);
  }

  #look(): void {
    if (this.#isStopped || this.#keeper.isDraining) return;
    try {
      const version = this.#dataVersion();
      if (version === this.#version) return;
      this.#version = version;
      this.#keeper.signalChange();
      this.reload();
    } catch (thrown) {
      const error = toAuroraError(thrown);
      if (error.code === "internal" || error.code === "state-newer") this.#break(error);
      else this.#world.workspace.warn(`the jobs are as they were: ${error.message}`);
    }
  }

  /** What does not show in the registry: a home that is gone, a transaction or a run whose process is dead. */
  async #tend(): Promise<void> {
    const { workspace, settle } = this.#world;
    if (this.#isTending || this.#keeper.isDraining) return;
    this.#isTending = true;
    try {
      if (workspace.registry.isReplaced) return this.#break(homeGone());
      const { isBlocked, runner } = this.#keeper;
      if (isBlocked) await settle();
      const rows = openJobRuns(workspace.registry);
      if (rows.some((row) => row.state === "running" && row.runner !== runner))
        await interruptDeadRuns(workspace);
      if (isBlocked) this.#keeper.signalChange();
    } catch (thrown) {
      workspace.warn(toAuroraError(thrown).message);
    } finally {
      this.#isTending = false;
    }
  }

  /** Changes whenever another connection has written to the database. */
  #dataVersion(): number {
    const { registry } = this.#world.workspace;
    return registry.get<{ data_version: number }>("PRAGMA data_version")?.data_version ?? 0;
  }
}

function homeGone(): AuroraError {
  return new AuroraError(
    "state-invalid",
    "cannot go on with the jobs: the home's registry was replaced or removed",
    { hint: "start it again" },
  );
}
