import { type FSWatcher, statSync, watch } from "node:fs";

import { AuroraError, toAuroraError } from "../../errors.ts";
import { type HomeLock } from "../../lifecycle/home-lock.ts";
import { giveUpRun, interruptDeadRuns, thisRunner } from "../../lifecycle/job-runs.ts";
import { runJobScript } from "../../lifecycle/job-script.ts";
import { anchorJobs, type PackJob, packJobs } from "../../lifecycle/jobs.ts";
import { timestamp, type Workspace } from "../../lifecycle/workspace.ts";
import { appendEvent } from "../../registry/events.ts";
import { lastJobRuns, openJobRuns, setRetry } from "../../registry/job-runs.ts";
import { jobIdOf, type PauseRow, pauses, setPause } from "../../registry/jobs.ts";
import { type Clock, systemClock, type Timer } from "../../scheduler/clock.ts";
import { type OpenRun, type RunRecord } from "../../scheduler/job.ts";
import { type SchedulerEvent } from "../../scheduler/journal.ts";
import { type DrainResult, Scheduler } from "../../scheduler/scheduler.ts";
import { type TaskContext } from "../../scheduler/task-context.ts";
import { randomHex } from "../../system/random-id.ts";
import { definitionOf, isDone } from "./job-timing.ts";
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
  runsElsewhere,
  scriptOf,
  stopReasonOf,
  type Try,
} from "./run-ledger.ts";
import { RunRecorder } from "./run-recorder.ts";
import { takeSchedulerLock } from "./scheduler-lock.ts";

/** So often the service looks whether another process has changed the registry; mostly it is told at once. */
export const POLL_MS = 1000;
/** How long running jobs have to end by themselves when the service is disposed of, in milliseconds. */
export const DRAIN_MS = 10_000;

/** How long the last records may take to be written, in milliseconds, where the disk is full. */
const LAST_WRITE_MS = 5000;

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
  #runner = thisRunner();
  #break: (error: AuroraError) => void;
  #lock: HomeLock | undefined;
  #known = new Map<string, { job: PackJob; spec: string }>();
  #pauses = new Set<string>();
  #tries = new Map<string, Try>();
  /** Jobs whose last run has failed: only a change of that is an event. */
  #failing = new Set<string>();
  #executions = new Set<Promise<unknown>>();
  #changed = Promise.withResolvers<void>();
  #version = -1;
  #databaseInode = 0;
  #watcher: FSWatcher | undefined;
  #poll: Timer | undefined;
  #isManual = false;
  #isSettling = false;
  #isDraining = false;
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
  }

  /**
   * Takes the lock, records what a crash has interrupted, and begins.
   *
   * @throws {AuroraError} `locked`, naming the process that runs the jobs of this home already
   */
  async start(): Promise<void> {
    const { workspace, command, settle } = this.#world;
    this.#lock = takeSchedulerLock(workspace, command);
    this.#databaseInode = statSync(workspace.paths.database).ino;
    await settle();
    await interruptDeadRuns(workspace);
    for (const row of lastJobRuns(workspace.registry))
      if (row.state === "failed" || row.state === "timed-out") this.#failing.add(jobIdOf(row));
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
      if (wanted.some(({ kind, name }) => kind === "job" && name === job.id))
        this.#setPaused("job", job.id, true);
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
    this.#isManual = true;
    try {
      return { scheduledMs, decision: this.#scheduler.runNow(id) };
    } finally {
      this.#isManual = false;
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
    this.#isDraining = true;
    this.#signalChange();
    const result = await this.#scheduler.drain(deadlineMs);
    await Promise.allSettled(this.#executions);
    const tooLate = new Promise<void>((resolve) => this.#clock.setTimer(LAST_WRITE_MS, resolve));
    await Promise.race([this.#recorder.write(() => {}), this.broken, tooLate]);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#lock && !this.#isStopped) await this.drain(DRAIN_MS);
    this.#isStopped = true;
    this.#watcher?.close();
    this.#poll?.cancel();
    this.#lock?.[Symbol.dispose]();
  }

  /** The jobs that there are, each with a place from which it counts. A pack that cannot be read keeps none from running. */
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
      const run = (context: TaskContext) => {
        const execution = this.#run(job, context);
        this.#executions.add(execution);
        void execution.catch(() => {}).finally(() => this.#executions.delete(execution));
        return execution;
      };
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

  /** What an earlier process has left of a job. Runs from before it was as it is now are given up. */
  #openRuns(job: PackJob): OpenRun[] {
    const { registry } = this.#world.workspace;
    const nowMs = this.#clock.wallMs();
    const rows = openJobRuns(registry).filter((row) => jobIdOf(row) === job.id && row.state !== "running");
    const isOld = (scheduledMs: number) => scheduledMs < (job.state?.anchor_ms ?? 0);
    for (const row of rows)
      if (isOld(row.scheduled_ms))
        registry.write(() => giveUpRun(registry, row, "the job is another one now"));
    return rows
      .filter((row) => !isOld(row.scheduled_ms))
      .map(({ scheduled_ms, state, attempt, retry_ms }) => ({
        scheduledAt: scheduled_ms,
        tries: state === "waiting" ? attempt - 1 : attempt,
        delayMs: state === "waiting" ? 0 : Math.max(0, (retry_ms ?? nowMs) - nowMs),
      }));
  }

  #pauseDifference(rows: readonly PauseRow[]): void {
    const wanted = new Map(rows.map(({ kind, name }) => [`${kind} ${name}`, { kind, name }]));
    for (const [key, { kind, name }] of wanted) if (!this.#pauses.has(key)) this.#setPaused(kind, name, true);
    for (const key of this.#pauses) {
      const [kind = "", name = ""] = key.split(" ");
      if (!wanted.has(key)) this.#setPaused(kind as PauseRow["kind"], name, false);
    }
    this.#pauses = new Set(wanted.keys());
  }

  #setPaused(kind: PauseRow["kind"], name: string, isPaused: boolean): void {
    // A job that is over, or that the scheduler has refused, need not be paused.
    if (kind === "job" && this.#scheduler.whyNotRunning(name).state === "unknown") return;
    const what = kind === "all" ? "all" : kind === "tag" ? { tag: name } : { job: name };
    if (isPaused) this.#scheduler.pause(what);
    else this.#scheduler.resume(what);
  }

  /** One try of a run, from the question whether it may begin to the end of its processes. */
  async #run(job: PackJob, context: TaskContext): Promise<void> {
    const one = this.#tryOf(job, context);
    const { workspace, execute = runJobScript } = this.#world;
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
    const { workspace } = this.#world;
    for (;;) {
      const changed = this.#changed.promise;
      const beginning = await this.#recorder.write(() =>
        beginTry(workspace, one, this.#runner, new Date(this.#clock.wallMs()).toISOString()),
      );
      if (beginning.kind === "never") one.phase = "void";
      if (beginning.kind !== "wait") return beginning;
      one.phase = "blocked";
      const aborted = Promise.withResolvers<void>();
      const onAbort = () => aborted.resolve();
      signal.addEventListener("abort", onAbort, { once: true });
      await Promise.race([changed, aborted.promise]);
      signal.removeEventListener("abort", onAbort);
      if (signal.aborted || this.#isDraining) throw new AuroraError("interrupted", "the scheduler stops");
    }
  }

  #tryOf(job: PackJob, { scheduledAt, attempt }: TaskContext): Try {
    const key = `${job.id} ${scheduledAt}`;
    const known = this.#tries.get(key);
    const one: Try = known ?? this.#newTry(job, scheduledAt, "schedule");
    this.#tries.set(key, one);
    one.attempt = attempt;
    one.runId = randomHex(16);
    one.phase = "asked";
    one.report = one.failure = one.stopReason = undefined;
    return one;
  }

  #newTry(job: PackJob, scheduledMs: number, cause: Try["cause"]): Try {
    const none = { report: undefined, failure: undefined, stopReason: undefined };
    return { job, scheduledMs, attempt: 1, cause, runId: "", phase: "due", ...none };
  }

  #onEvent(event: SchedulerEvent): void {
    const { workspace } = this.#world;
    switch (event.kind) {
      case "due":
        return this.#due(event.jobId, event.scheduledAt);
      case "recorded":
        return event.record.attempt === 0 ? this.#unstarted(event.record) : this.#ended(event.record);
      case "retry": {
        const known = this.#known.get(event.jobId);
        if (!known) return;
        const { packId, name } = known.job;
        const key = { pack_id: packId, name, scheduled_ms: event.scheduledAt, attempt: event.attempt - 1 };
        const retryMs = this.#clock.wallMs() + Math.round(event.delayMs);
        void this.#recorder.write(() => setRetry(workspace.registry, key, retryMs));
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

  #due(jobId: string, scheduledAt: number): void {
    const known = this.#known.get(jobId);
    if (!known) return;
    const one = this.#newTry(known.job, scheduledAt, this.#isManual ? "manual" : "schedule");
    this.#tries.set(`${jobId} ${scheduledAt}`, one);
    void this.#recorder.write(() => {
      const { state, reason } = this.#scheduler.whyNotRunning(jobId);
      recordDue(this.#world.workspace, one, state === "waiting" ? reason : "an earlier run has not ended");
    });
  }

  /** Runs that were missed, skipped, or taken back before they started. */
  #unstarted({ jobId, scheduledAt, outcome, count, lastDueAt }: RunRecord): void {
    const { workspace } = this.#world;
    const key = `${jobId} ${scheduledAt}`;
    const one = this.#tries.get(key);
    const job = one?.job ?? this.#known.get(jobId)?.job;
    if (!job) return;
    if (outcome === "missed" || outcome === "skipped") {
      const run = { scheduledMs: scheduledAt, lastDueMs: lastDueAt, state: outcome, count };
      void this.#recorder.write(() => recordUnstarted(workspace, job, { ...run, at: timestamp(workspace) }));
      return;
    }
    this.#tries.delete(key);
    // What the end of this process takes back goes on in the next one.
    if (this.#isDraining) return;
    const state = outcome === "replaced" ? "replaced" : "cancelled";
    const reason = outcome === "replaced" ? "a newer run took its place" : "the job was removed or changed";
    const run = one ?? this.#newTry(job, scheduledAt, "schedule");
    void this.#recorder.write(() => dropTry(workspace, run, state, reason));
  }

  #ended({ jobId, scheduledAt, outcome }: RunRecord): void {
    const { workspace } = this.#world;
    const key = `${jobId} ${scheduledAt}`;
    const one = this.#tries.get(key);
    if (!one) return;
    this.#tries.delete(key);
    if (one.phase === "void") return;
    if (one.phase !== "running") {
      if (this.#isDraining) return;
      const state = outcome === "replaced" ? "replaced" : "cancelled";
      void this.#recorder.write(() => dropTry(workspace, one, state, reasonOf(one, state) ?? ""));
      return;
    }
    const state = endOf(one, outcome, this.#isDraining);
    const isAgain = isTriedAgain(one, state);
    const nowMs = this.#clock.wallMs();
    // The scheduler itself says when a failure is tried again, right after this.
    const retryMs = isAgain && (state === "interrupted" || this.#isDraining) ? nowMs : null;
    const end = { state, at: timestamp(workspace), retryMs, event: this.#eventOf(jobId, state, isAgain) };
    const ended: Try = { ...one };
    void this.#recorder.write(() => recordEnd(workspace, ended, end));
    if (isAgain && state === "interrupted" && !this.#isDraining)
      this.#scheduler.goOn(jobId, { scheduledAt, tries: one.attempt, delayMs: 0 });
  }

  #eventOf(jobId: string, state: string, isAgain: boolean): "job-failed" | "job-recovered" | null {
    if (state === "succeeded") return this.#failing.delete(jobId) ? "job-recovered" : null;
    if ((state !== "failed" && state !== "timed-out") || isAgain || this.#failing.has(jobId)) return null;
    this.#failing.add(jobId);
    return "job-failed";
  }

  /** The home's directory tells of each write to the database; the poll is for where it does not. */
  #watch(): void {
    const { home } = this.#world.workspace.paths;
    try {
      this.#watcher = watch(home, (_event, name) => {
        if (name?.startsWith("state.db")) this.#look();
      });
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch {
      // Then the poll has to do.
    }
    const poll = () => {
      this.#poll = this.#clock.setTimer(POLL_MS, poll);
      this.#look();
      void this.#tend();
    };
    this.#poll = this.#clock.setTimer(POLL_MS, poll);
  }

  #look(): void {
    if (this.#isStopped || this.#isDraining) return;
    try {
      const version = this.#dataVersion();
      if (version === this.#version) return;
      this.#version = version;
      this.#signalChange();
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
    const file = statSync(workspace.paths.database, { throwIfNoEntry: false });
    if (file?.ino !== this.#databaseInode)
      return this.#break(
        new AuroraError(
          "state-invalid",
          "cannot go on with the jobs: the home's registry was replaced or removed",
          {
            hint: "start it again",
          },
        ),
      );
    if (this.#isSettling || this.#isDraining) return;
    this.#isSettling = true;
    try {
      const blocked = [...this.#tries.values()].filter(({ phase }) => phase === "blocked");
      if (blocked.length > 0) await settle();
      const isForeign = blocked.some(({ job }) => !runsElsewhere(workspace, job, this.#runner));
      if (isForeign) await interruptDeadRuns(workspace);
      if (blocked.length > 0) this.#signalChange();
    } catch (thrown) {
      workspace.warn(toAuroraError(thrown).message);
    } finally {
      this.#isSettling = false;
    }
  }

  #signalChange(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Changes whenever another connection has written to the database. */
  #dataVersion(): number {
    const { registry } = this.#world.workspace;
    return registry.get<{ data_version: number }>("PRAGMA data_version")?.data_version ?? 0;
  }
}
