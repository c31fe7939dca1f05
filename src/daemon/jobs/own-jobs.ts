import { AuroraError } from "../../errors.ts";
import { updatePackRecord } from "../../lifecycle/generation-record.ts";
import { type PackJob, packJobs } from "../../lifecycle/jobs.ts";
import { type OwnOperation } from "../../lifecycle/own-operations.ts";
import { unknownPack } from "../../lifecycle/unknown-pack.ts";
import { timestamp, type Workspace } from "../../lifecycle/workspace.ts";
import { MAX_JOBS } from "../../manifest/limits.ts";
import { appendEvent } from "../../registry/events.ts";
import { forgetRuns, JOB_HISTORY_LIMIT, jobRunsOf } from "../../registry/job-runs.ts";
import { forgetOperatorJob, jobIdOf, type PauseRow, setOperatorJob, setPause } from "../../registry/jobs.ts";
import { livePack } from "../../registry/packs.ts";
import { nearest } from "../../system/nearest.ts";
import { checkJobName, checkJobSpec, type NewJob } from "./check-job.ts";
import { isDone, type NextTime, nextTimes } from "./job-timing.ts";
import { type JobRunView, jobRunView, type JobView, jobViews } from "./job-view.ts";
import { runJobOnce } from "./run-once.ts";

/** Of the jobs of a pack that were for one moment and have had it, so many are kept, the newest ones. */
export const KEPT_DONE_JOBS = 20;
export const MAX_SHOWN_RUNS = 100 * JOB_HISTORY_LIMIT;
export const MAX_NEXT_RUNS = 1000;
/** A pack that has its own jobs run may have so many run at once: a job may ask for jobs as well. */
const MAX_OWN_RUNS = 8;

/** What is to come of a job. */
export type NextRun = {
  id: string;
  pack_id: string;
  name: string;
  /** The time that it is recorded under. */
  scheduled_at: string;
  /** When it comes, with its jitter. */
  at: string;
  in_ms: number;
  /** Why it may not run then; null for nothing that is known. */
  why_not_running: string | null;
};

export type RemovedJob = { id: string; pack_id: string; name: string; removed: boolean };

export type PauseResult = {
  /** What it is about: "all", "tag", "job". */
  kind: PauseRow["kind"];
  /** The tag, or the job's id; "" for all. */
  name: string;
  paused: boolean;
  changed: boolean;
};

/** What may be done with the jobs of one pack, from the command line and by its own scripts. */
export type JobOperation<Params, Result> = OwnOperation<Params, Result> & {
  /** Looks whether it can be done, before anything is created for it. */
  look: (workspace: Workspace, packId: string, params: Params) => void;
};

type Named = { name: string };

const list: JobOperation<Record<never, never>, JobView[]> = {
  isChange: false,
  check: () => ({}),
  look: requireLive,
  run(workspace, packId) {
    requireLive(workspace, packId);
    return jobViews(workspace, packId);
  },
};

const history: JobOperation<{ name: string | undefined; limit: number }, JobRunView[]> = {
  isChange: false,
  check: (packId, { name, limit }) => ({
    name: name === undefined ? undefined : checkName(packId, { name }).name,
    limit: checkCount(limit, MAX_SHOWN_RUNS),
  }),
  look: requireLive,
  run(workspace, packId, { name, limit }) {
    if (name === undefined) requireLive(workspace, packId);
    else requireJob(workspace, packId, name);
    return jobRunsOf(workspace.registry, packId, { name, limit }).map(jobRunView);
  },
};

const next: JobOperation<{ count: number }, NextRun[]> = {
  isChange: false,
  check: (_packId, { count }) => ({ count: checkCount(count, MAX_NEXT_RUNS) }),
  look: requireLive,
  run(workspace, packId, { count }) {
    requireLive(workspace, packId);
    return nextRuns(workspace, packId, count);
  },
};

const add: JobOperation<NewJob, JobView> = {
  isChange: true,
  outside: ({ name }) => `add the job "${name}"`,
  check: (_packId, { name, spec }) => ({ name: checkJobName(name), spec: checkJobSpec(spec) }),
  look: (workspace, packId, { name }) => void checkRoom(workspace, packId, name),
  run(workspace, packId, { name, spec }) {
    const { registry, now } = workspace;
    const view = registry.write(() => {
      const at = timestamp(workspace);
      for (const old of checkRoom(workspace, packId, name)) forgetOperatorJob(registry, packId, old.name);
      const row = { pack_id: packId, name, spec: JSON.stringify(spec), added_at: at };
      setOperatorJob(registry, row, now().getTime());
      appendEvent(registry, { at, packId, kind: "job-added", detail: { job: name } });
      const job = packJobs(registry, packId).find((one) => one.name === name) as PackJob;
      return viewOf(workspace, job);
    });
    updatePackRecord(workspace, packId);
    return view;
  },
};

const remove: JobOperation<Named, RemovedJob> = {
  isChange: true,
  outside: ({ name }) => `remove the job "${name}"`,
  check: checkName,
  look: (workspace, packId, { name }) => void requireOperatorJob(workspace, packId, name),
  run(workspace, packId, { name }) {
    const { registry } = workspace;
    const result = registry.write(() => {
      const { id } = requireOperatorJob(workspace, packId, name);
      const removed = forgetOperatorJob(registry, packId, name);
      forgetRuns(registry, packId, name);
      appendEvent(registry, { at: timestamp(workspace), packId, kind: "job-removed", detail: { job: name } });
      return { id, pack_id: packId, name, removed };
    });
    updatePackRecord(workspace, packId);
    return result;
  },
};

const pauseOrResume = (isPaused: boolean): JobOperation<Named, PauseResult> => ({
  isChange: true,
  outside: () => `${isPaused ? "pause" : "resume"} jobs`,
  check: checkName,
  look: (workspace, packId, { name }) => void requireJob(workspace, packId, name),
  run(workspace, packId, { name }) {
    requireJob(workspace, packId, name);
    return pauseJobs(workspace, { kind: "job", name: jobIdOf({ pack_id: packId, name }) }, packId, isPaused);
  },
});

const ownRuns = new Map<string, number>();

const run: JobOperation<Named, Promise<JobRunView>> = {
  isChange: true,
  isLong: true,
  outside: ({ name }) => `run the job "${name}"`,
  check: checkName,
  look: (workspace, packId, { name }) => void requireJob(workspace, packId, name),
  async run(workspace, packId, { name }, signal = workspace.signal) {
    const job = requireJob(workspace, packId, name);
    const running = ownRuns.get(packId) ?? 0;
    if (running >= MAX_OWN_RUNS)
      throw new AuroraError("quota-exceeded", `cannot run the job "${job.id}": ${running} run at its word`, {
        hint: "wait for the end of one",
      });
    ownRuns.set(packId, running + 1);
    try {
      const both = AbortSignal.any([workspace.signal, signal]);
      return jobRunView(await runJobOnce({ ...workspace, signal: both }, job));
    } finally {
      ownRuns.set(packId, (ownRuns.get(packId) ?? 1) - 1);
    }
  },
};

/** By the names that a request says. Each is for one pack, which the request does not name. */
export const ownJobs = {
  "schedule list": list,
  "schedule history": history,
  "schedule next": next,
  "schedule add": add,
  "schedule remove": remove,
  "schedule pause": pauseOrResume(true),
  "schedule resume": pauseOrResume(false),
  "schedule run": run,
};

export type OwnJobs = typeof ownJobs;

/** The next runs of all jobs, or of one pack's, the soonest first. */
export function nextRuns(workspace: Workspace, packId: string | undefined, count: number): NextRun[] {
  const nowMs = workspace.now().getTime();
  const views = new Map(jobViews(workspace, packId).map((view) => [view.id, view]));
  const runs = packJobs(workspace.registry, packId).flatMap((job) => {
    const view = views.get(job.id);
    // What is paused, over or refused has no next run.
    if (!view || view.next_run === null) return [];
    return nextTimes(job, nowMs, count).map(({ scheduledMs, atMs }: NextTime) => ({
      id: job.id,
      pack_id: job.packId,
      name: job.name,
      scheduled_at: new Date(scheduledMs).toISOString(),
      at: new Date(atMs).toISOString(),
      in_ms: atMs - nowMs,
      why_not_running: view.why_not_running,
    }));
  });
  return runs.toSorted((a, b) => a.in_ms - b.in_ms).slice(0, count);
}

/** Pauses or resumes one job, a tag, or everything. @param packId whose event it is */
export function pauseJobs(
  workspace: Workspace,
  target: Pick<PauseRow, "kind" | "name">,
  packId: string | null,
  isPaused: boolean,
): PauseResult {
  const { registry } = workspace;
  return registry.write(() => {
    const at = timestamp(workspace);
    const changed = setPause(registry, target, isPaused ? at : undefined);
    if (changed)
      appendEvent(registry, {
        at,
        packId,
        kind: isPaused ? "jobs-paused" : "jobs-resumed",
        detail: { what: target.kind, name: target.name },
      });
    return { ...target, paused: isPaused, changed };
  });
}

function requireLive(workspace: Workspace, packId: string): void {
  if (!livePack(workspace.registry, packId)) throw unknownPack(workspace, packId, "is not installed");
}

/** The job of a live pack. Throws `not-found` for the pack or the job, with the nearest known name. */
function requireJob(workspace: Workspace, packId: string, name: string): PackJob {
  requireLive(workspace, packId);
  const jobs = packJobs(workspace.registry, packId);
  const job = jobs.find((one) => one.name === name);
  if (job) return job;
  const near = nearest(
    name,
    jobs.map((one) => one.name),
  );
  throw new AuroraError("not-found", `the pack "${packId}" has no job "${name}"`, {
    hint: near ? `did you mean "${near}"?` : `aurora schedule list ${packId} shows its jobs`,
  });
}

function requireOperatorJob(workspace: Workspace, packId: string, name: string): PackJob {
  const job = requireJob(workspace, packId, name);
  if (job.origin === "operator") return job;
  throw new AuroraError("conflict", `cannot remove the job "${name}": it is in the manifest of "${packId}"`, {
    hint: `aurora schedule pause ${packId} ${name} keeps it from running`,
  });
}

/** The job as it is shown now. */
function viewOf(workspace: Workspace, { packId, id }: PackJob): JobView {
  const view = jobViews(workspace, packId).find((one) => one.id === id);
  if (view) return view;
  throw new AuroraError("not-found", `the job "${id}" was removed just now`);
}

/** Looks whether there is room for the job. @returns jobs that are over and make room */
function checkRoom(workspace: Workspace, packId: string, name: string): PackJob[] {
  requireLive(workspace, packId);
  const jobs = packJobs(workspace.registry, packId);
  const same = jobs.find((job) => job.name === name);
  if (same && !(same.origin === "operator" && isDone(same)))
    throw new AuroraError("exists", `cannot add the job "${name}": "${packId}" has one of that name`, {
      hint:
        same.origin === "manifest"
          ? "take another name: that one is in its manifest"
          : `aurora schedule remove ${packId} ${name} takes it away`,
    });
  const own = jobs.filter(({ origin }) => origin === "operator");
  const done = own.filter((job) => isDone(job) && job.name !== name);
  if (own.length - done.length >= MAX_JOBS)
    throw new AuroraError(
      "quota-exceeded",
      `cannot add the job "${name}": "${packId}" has ${MAX_JOBS} jobs of operators already`,
      { hint: `aurora schedule list ${packId} shows them` },
    );
  const byAge = done.toSorted((a, b) => (a.state?.anchor_ms ?? 0) - (b.state?.anchor_ms ?? 0));
  return byAge.slice(0, Math.max(0, done.length - KEPT_DONE_JOBS));
}

/** A job that is asked about is only looked for. */
function checkName(_packId: string, { name }: Record<string, unknown>): Named {
  if (typeof name === "string" && name.length <= 1000) return { name };
  throw new AuroraError("usage", "cannot look for a job: its name is not text");
}

function checkCount(count: unknown, max: number): number {
  if (typeof count === "number" && Number.isSafeInteger(count) && count >= 1 && count <= max) return count;
  throw new AuroraError("usage", `cannot show so many: the number is not one from 1 to ${max}`);
}
