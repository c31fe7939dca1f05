import { toAuroraError } from "../../errors.ts";
import { isRunnerAlive } from "../../lifecycle/job-runs.ts";
import { type PackJob, packJobs } from "../../lifecycle/jobs.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { type JobRunRow, lastJobRuns, openJobRuns } from "../../registry/job-runs.ts";
import { jobIdOf, type PauseRow, pauses } from "../../registry/jobs.ts";
import { isDone, type NextTime, nextTimes, specText } from "./job-timing.ts";
import { isSchedulerRunning } from "./scheduler-lock.ts";

/** A job as it is shown. */
export type JobView = {
  id: string;
  pack_id: string;
  name: string;
  origin: "manifest" | "operator";
  spec: string;
  command: string[];
  /** When it runs next: a time that has passed where that run is overdue; null where none is to come. */
  next_run: string | null;
  /** How long it is until then; negative where it is overdue. */
  next_in_ms: number | null;
  last_run: string | null;
  last_rc: number | null;
  last_state: string | null;
  state: "scheduled" | "waiting" | "running" | "retrying" | "interrupted" | "paused" | "refused" | "done";
  /** Why it does not run although it would have to, or will not. */
  why_not_running: string | null;
};

const NOT_RUNNING = "nothing runs the jobs of this home";

/** What is known of all jobs at one moment. */
type Facts = {
  paused: readonly PauseRow[];
  open: ReadonlyMap<string, JobRunRow[]>;
  last: ReadonlyMap<string, JobRunRow>;
  isSchedulerRunning: boolean;
  nowMs: number;
};

/** All jobs of a home, or of one pack, as the registry and the locks show them: from any process. */
export function jobViews(workspace: Workspace, onlyOf?: string): JobView[] {
  const { registry, paths, now } = workspace;
  const open = new Map<string, JobRunRow[]>();
  for (const row of openJobRuns(registry)) open.set(jobIdOf(row), [...(open.get(jobIdOf(row)) ?? []), row]);
  const facts: Facts = {
    paused: pauses(registry),
    open,
    last: new Map(lastJobRuns(registry).map((row) => [jobIdOf(row), row])),
    isSchedulerRunning: isSchedulerRunning(paths),
    nowMs: now().getTime(),
  };
  return packJobs(registry, onlyOf).map((job) => jobView(job, facts));
}

function jobView(job: PackJob, facts: Facts): JobView {
  const { id, packId, name, origin, spec } = job;
  const last = facts.last.get(id);
  const { state, why, next } = standing(job, facts);
  return {
    id,
    pack_id: packId,
    name,
    origin,
    spec: specText(spec),
    command: spec.command,
    next_run: next === undefined ? null : new Date(next.atMs).toISOString(),
    next_in_ms: next === undefined ? null : next.atMs - facts.nowMs,
    last_run: last?.started_at ?? null,
    last_rc: last?.rc ?? null,
    last_state: last?.state ?? null,
    state,
    why_not_running: why,
  };
}

type Standing = { state: JobView["state"]; why: string | null; next: NextTime | undefined };

/** What a job is doing, or waits for. Pure, but for the look whether the process of a running one lives. */
function standing(job: PackJob, { paused, open, isSchedulerRunning, nowMs }: Facts): Standing {
  const rows = open.get(job.id) ?? [];
  let next: NextTime | undefined;
  try {
    [next] = nextTimes(job, nowMs, 1);
  } catch (thrown) {
    return { state: "refused", why: toAuroraError(thrown).message, next: undefined };
  }
  const running = rows.filter(({ state }) => state === "running");
  if (running.some(isRunnerAlive)) return { state: "running", why: null, next };
  const pause = paused.find(
    ({ kind, name }) =>
      kind === "all" || name === job.id || (kind === "tag" && job.spec.tags[name] !== undefined),
  );
  const isOver = isDone(job) && rows.length === 0;
  if (isOver) return { state: "done", why: "its time has been", next: undefined };
  if (pause) return { state: "paused", why: pauseText(pause), next: undefined };
  const idle = isSchedulerRunning ? null : NOT_RUNNING;
  if (running.length > 0) return { state: "interrupted", why: idle ?? "its runner died", next };
  const waiting = rows.find(({ state }) => state === "waiting");
  if (waiting) return { state: "waiting", why: idle ?? waiting.reason, next };
  const retried = rows.find(({ retry_ms }) => retry_ms !== null);
  if (retried)
    return {
      state: "retrying",
      why:
        idle ??
        `try ${retried.attempt} ${retried.state}, the next one is at ${new Date(retried.retry_ms ?? 0).toISOString()}`,
      next,
    };
  return { state: "scheduled", why: idle, next };
}

function pauseText({ kind, name }: PauseRow): string {
  if (kind === "all") return "everything is paused";
  return kind === "tag" ? `the tag "${name}" is paused` : "the job is paused";
}

/** One try of a run, or runs that never started, as they are shown. */
export type JobRunView = {
  id: string;
  pack_id: string;
  name: string;
  scheduled_at: string;
  attempt: number;
  state: string;
  cause: string;
  count: number;
  generation: number | null;
  started_at: string | null;
  duration_ms: number | null;
  rc: number | null;
  output_tail: string;
  reason: string | null;
  retry_at: string | null;
};

export function jobRunView(row: JobRunRow): JobRunView {
  return {
    id: jobIdOf(row),
    pack_id: row.pack_id,
    name: row.name,
    scheduled_at: new Date(row.scheduled_ms).toISOString(),
    attempt: row.attempt,
    state: row.state,
    cause: row.cause,
    count: row.count,
    generation: row.generation,
    started_at: row.started_at,
    duration_ms: row.duration_ms,
    rc: row.rc,
    output_tail: row.output_tail,
    reason: row.reason,
    retry_at: row.retry_ms === null ? null : new Date(row.retry_ms).toISOString(),
  };
}
