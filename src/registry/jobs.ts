import { type Registry } from "./registry.ts";

/** A job that an operator has added. Those of a manifest are not here: they follow from the pack that is live. */
export type JobRow = { pack_id: string; name: string; /** JSON. */ spec: string; added_at: string };

/** Where a job stands, of whatever origin. Moments are milliseconds since 1970-01-01T00:00Z. */
export type JobStateRow = {
  pack_id: string;
  name: string;
  /** The spec, as JSON, that the rest is about: for another one it says nothing. */
  spec: string;
  /** Since when the job has been there: nothing before it was missed. */
  anchor_ms: number;
  /** The last scheduled time of which something is recorded; null for none. */
  last_scheduled_ms: number | null;
};

/** What is paused: everything, all jobs that need a tag, or one job by its id. `all` has no name. */
export type PauseRow = { kind: "all" | "tag" | "job"; name: string; at: string };

/** How a job is called from outside: `PACK/NAME`. */
export function jobIdOf({ pack_id, name }: { pack_id: string; name: string }): string {
  return `${pack_id}/${name}`;
}

export function operatorJobs(registry: Registry, packId?: string): JobRow[] {
  return registry.all<JobRow>(
    "SELECT * FROM jobs WHERE ?1 IS NULL OR pack_id = ?1 ORDER BY pack_id, name",
    packId ?? null,
  );
}

/** Adds or replaces an operator's job, which begins to count from `anchorMs`. */
export function setOperatorJob(registry: Registry, row: JobRow, anchorMs: number): void {
  registry.run(
    `INSERT INTO jobs (pack_id, name, spec, added_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (pack_id, name) DO UPDATE SET spec = excluded.spec, added_at = excluded.added_at`,
    row.pack_id,
    row.name,
    row.spec,
    row.added_at,
  );
  setJobState(registry, { ...row, anchor_ms: anchorMs, last_scheduled_ms: null });
}

/** Forgets one operator's job, with its place and its pause. Returns false where there is none. */
export function forgetOperatorJob(registry: Registry, packId: string, name: string): boolean {
  const found = registry.run("DELETE FROM jobs WHERE pack_id = ? AND name = ?", packId, name) > 0;
  if (!found) return false;
  forgetJobState(registry, packId, name);
  setPause(registry, { kind: "job", name: jobIdOf({ pack_id: packId, name }) }, undefined);
  return true;
}

/** Forgets all about the jobs of a pack that is removed. */
export function forgetJobsOf(registry: Registry, packId: string): void {
  for (const table of ["jobs", "job_states", "job_runs"])
    registry.run(`DELETE FROM ${table} WHERE pack_id = ?`, packId);
  registry.run("DELETE FROM job_pauses WHERE kind = 'job' AND name LIKE ? ESCAPE '\\'", pauseNames(packId));
}

/** An id may hold `_`, which LIKE takes for any character. */
function pauseNames(packId: string): string {
  return `${packId.replaceAll("_", "\\_")}/%`;
}

export function jobStates(registry: Registry, packId?: string): JobStateRow[] {
  return registry.all<JobStateRow>(
    "SELECT * FROM job_states WHERE ?1 IS NULL OR pack_id = ?1 ORDER BY pack_id, name",
    packId ?? null,
  );
}

export function setJobState(registry: Registry, row: JobStateRow): void {
  registry.run(
    `INSERT INTO job_states (pack_id, name, spec, anchor_ms, last_scheduled_ms) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (pack_id, name) DO UPDATE SET spec = excluded.spec, anchor_ms = excluded.anchor_ms,
       last_scheduled_ms = excluded.last_scheduled_ms`,
    row.pack_id,
    row.name,
    row.spec,
    row.anchor_ms,
    row.last_scheduled_ms,
  );
}

export function forgetJobState(registry: Registry, packId: string, name: string): void {
  registry.run("DELETE FROM job_states WHERE pack_id = ? AND name = ?", packId, name);
}

/** Something is recorded of a scheduled time: after a restart, what comes before it does not count as missed. */
export function advanceJob(registry: Registry, packId: string, name: string, scheduledMs: number): void {
  registry.run(
    `UPDATE job_states SET last_scheduled_ms = max(coalesce(last_scheduled_ms, ?1), ?1)
     WHERE pack_id = ?2 AND name = ?3`,
    scheduledMs,
    packId,
    name,
  );
}

export function pauses(registry: Registry): PauseRow[] {
  return registry.all<PauseRow>("SELECT * FROM job_pauses ORDER BY kind, name");
}

/** Pauses something, or ends its pause where `at` is undefined. Returns whether that changed anything. */
export function setPause(
  registry: Registry,
  { kind, name }: Omit<PauseRow, "at">,
  at: string | undefined,
): boolean {
  if (at === undefined)
    return registry.run("DELETE FROM job_pauses WHERE kind = ? AND name = ?", kind, name) > 0;
  return (
    registry.run("INSERT OR IGNORE INTO job_pauses (kind, name, at) VALUES (?, ?, ?)", kind, name, at) > 0
  );
}
