import { type Registry } from "./registry.ts";

export type JobRunState =
  /** Its time has come, and it waits for resources, for another run or for a transaction. */
  | "waiting"
  | "running"
  | "succeeded"
  | "failed"
  | "timed-out"
  /** The program that ran it died, or it was ended so that its pack could be changed. */
  | "interrupted"
  | "cancelled"
  | "replaced"
  /** Not started, since an earlier run had not ended. */
  | "skipped"
  /** Not started, since its time passed while nothing could run. */
  | "missed";

/** One try of a run, or runs that never started. At most one row for each job, scheduled time and try. */
export type JobRunRow = {
  id: number;
  pack_id: string;
  name: string;
  /** The time that it was scheduled for, in milliseconds since 1970-01-01T00:00Z. */
  scheduled_ms: number;
  /** 1 for the first try; 0 for runs that never started. */
  attempt: number;
  state: JobRunState;
  cause: "schedule" | "manual";
  /** How many runs this stands for: more than 1 for missed ones only. */
  count: number;
  generation: number | null;
  /** `AURORA_JOB_RUN` of its processes. */
  run_id: string | null;
  /** JSON: the process that runs it. */
  runner: string | null;
  started_at: string | null;
  duration_ms: number | null;
  rc: number | null;
  output_tail: string;
  /** Why it is as it is, in words. */
  reason: string | null;
  /** When it is tried again, as long as that is still to come. */
  retry_ms: number | null;
  /** Why somebody else has ended it, while it runs. */
  stop_reason: string | null;
};

/** So many runs of each job are kept, the newest ones; what has not ended does not count. */
export const JOB_HISTORY_LIMIT = 100;

type Key = Pick<JobRunRow, "pack_id" | "name" | "scheduled_ms">;
type NewRun = Key & Pick<JobRunRow, "attempt" | "state" | "cause"> & Partial<JobRunRow>;

/** Records a run that does not run: one that waits, or that never will. One of the same key and try is left as it is. */
export function recordJobRun(registry: Registry, run: NewRun): void {
  registry.run(
    `INSERT OR IGNORE INTO job_runs (pack_id, name, scheduled_ms, attempt, state, cause, count, reason)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    run.pack_id,
    run.name,
    run.scheduled_ms,
    run.attempt,
    run.state,
    run.cause,
    run.count ?? 1,
    run.reason ?? null,
  );
  if (run.state !== "waiting") trimHistory(registry, run.pack_id, run.name);
}

/**
 * Records that a run begins, before it does.
 *
 * @returns false where this try, or the success of another one, is on record already: then it must not run
 */
export function beginJobRun(
  registry: Registry,
  run: Key &
    Pick<JobRunRow, "attempt" | "cause"> & {
      generation: number;
      run_id: string;
      runner: string;
      started_at: string;
    },
): boolean {
  const { pack_id, name, scheduled_ms, attempt } = run;
  const hasSucceeded = registry.get(
    "SELECT 1 FROM job_runs WHERE pack_id = ? AND name = ? AND scheduled_ms = ? AND state = 'succeeded'",
    pack_id,
    name,
    scheduled_ms,
  );
  if (hasSucceeded) return false;
  const begun = registry.run(
    `INSERT INTO job_runs (pack_id, name, scheduled_ms, attempt, state, cause, generation, run_id, runner, started_at)
     VALUES (?, ?, ?, ?, 'running', ?, ?, ?, ?, ?)
     ON CONFLICT (pack_id, name, scheduled_ms, attempt) DO UPDATE SET state = 'running', generation = excluded.generation,
       run_id = excluded.run_id, runner = excluded.runner, started_at = excluded.started_at, reason = NULL
       WHERE state = 'waiting'`,
    pack_id,
    name,
    scheduled_ms,
    attempt,
    run.cause,
    run.generation,
    run.run_id,
    run.runner,
    run.started_at,
  );
  if (begun === 0) return false;
  registry.run(
    `UPDATE job_runs SET retry_ms = NULL
     WHERE pack_id = ? AND name = ? AND scheduled_ms = ? AND attempt < ? AND retry_ms IS NOT NULL`,
    pack_id,
    name,
    scheduled_ms,
    attempt,
  );
  return true;
}

/** Records how a run has ended. Returns false where it is not on record as running, as after the removal of its pack. */
export function endJobRun(
  registry: Registry,
  key: Key & { attempt: number },
  end: Pick<JobRunRow, "state" | "duration_ms" | "rc" | "output_tail" | "reason" | "retry_ms">,
): boolean {
  const ended = registry.run(
    `UPDATE job_runs SET state = ?, duration_ms = ?, rc = ?, output_tail = ?, reason = ?, retry_ms = ?, stop_reason = NULL
     WHERE pack_id = ? AND name = ? AND scheduled_ms = ? AND attempt = ? AND state IN ('waiting', 'running')`,
    end.state,
    end.duration_ms,
    end.rc,
    end.output_tail,
    end.reason,
    end.retry_ms,
    key.pack_id,
    key.name,
    key.scheduled_ms,
    key.attempt,
  );
  trimHistory(registry, key.pack_id, key.name);
  return ended > 0;
}

/** Sets when a try that has failed is followed by the next one; null for never. */
export function setRetry(registry: Registry, key: Key & { attempt: number }, retryMs: number | null): void {
  registry.run(
    "UPDATE job_runs SET retry_ms = ? WHERE pack_id = ? AND name = ? AND scheduled_ms = ? AND attempt = ?",
    retryMs,
    key.pack_id,
    key.name,
    key.scheduled_ms,
    key.attempt,
  );
}

/** Runs that have not come to their end: waiting, running, or to be tried again. Oldest scheduled time first. */
export function openJobRuns(registry: Registry): JobRunRow[] {
  return registry.all<JobRunRow>(
    `SELECT * FROM job_runs WHERE state IN ('waiting', 'running') OR retry_ms IS NOT NULL
     ORDER BY pack_id, name, scheduled_ms, attempt`,
  );
}

export function jobRun(registry: Registry, key: Key & { attempt: number }): JobRunRow | undefined {
  return registry.get<JobRunRow>(
    "SELECT * FROM job_runs WHERE pack_id = ? AND name = ? AND scheduled_ms = ? AND attempt = ?",
    key.pack_id,
    key.name,
    key.scheduled_ms,
    key.attempt,
  );
}

/** The newest runs of a pack's jobs, or of one of them, oldest first. */
export function jobRunsOf(
  registry: Registry,
  packId: string,
  { name, limit }: { name: string | undefined; limit: number },
): JobRunRow[] {
  return registry
    .all<JobRunRow>(
      `SELECT * FROM job_runs WHERE pack_id = ?1 AND (?2 IS NULL OR name = ?2)
       ORDER BY scheduled_ms DESC, attempt DESC, id DESC LIMIT ?3`,
      packId,
      name ?? null,
      limit,
    )
    .toReversed();
}

/** Of each job the newest try that has ended, for `last_run`. */
export function lastJobRuns(registry: Registry): JobRunRow[] {
  return registry.all<JobRunRow>(
    `SELECT * FROM job_runs WHERE id IN
       (SELECT max(id) FROM job_runs WHERE started_at IS NOT NULL AND state <> 'running' GROUP BY pack_id, name)`,
  );
}

/** Gives up what is still to come of a job's runs: those that wait, and those that were to be tried again. */
export function giveUpOpenRuns(registry: Registry, packId: string, name: string, reason: string): void {
  registry.run(
    "UPDATE job_runs SET state = 'cancelled', reason = ? WHERE pack_id = ? AND name = ? AND state = 'waiting'",
    reason,
    packId,
    name,
  );
  registry.run(
    "UPDATE job_runs SET retry_ms = NULL WHERE pack_id = ? AND name = ? AND retry_ms IS NOT NULL",
    packId,
    name,
  );
}

/** Forgets the runs of a job, but for those that are under way. */
export function forgetRuns(registry: Registry, packId: string, name: string): void {
  registry.run("DELETE FROM job_runs WHERE pack_id = ? AND name = ? AND state <> 'running'", packId, name);
}

function trimHistory(registry: Registry, packId: string, name: string): void {
  registry.run(
    `DELETE FROM job_runs WHERE id IN
       (SELECT id FROM job_runs WHERE pack_id = ? AND name = ? AND state NOT IN ('waiting', 'running') AND retry_ms IS NULL
        ORDER BY scheduled_ms DESC, attempt DESC LIMIT -1 OFFSET ?)`,
    packId,
    name,
    JOB_HISTORY_LIMIT,
  );
}
