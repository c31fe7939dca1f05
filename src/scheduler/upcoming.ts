import { type Job } from "./job.ts";

/** A run that is to come. Both moments are milliseconds since 1970-01-01T00:00Z; `atMs` has the jitter in it. */
export type UpcomingRun = { jobId: string; scheduledAt: number; atMs: number };

/**
 * The next runs of some jobs, earliest first, as far as they are known: of a job with a fixed delay only the first.
 *
 * @param offsetMs what to add to the monotonic clock to get the wall clock
 */
export function nextRuns(jobs: Iterable<Job>, offsetMs: number, count: number): UpcomingRun[] {
  const heads: { job: Job; dueMs: number; left: number; atMs: number }[] = [];
  const toWall = (job: Job, ms: number) => (job.timeline.clock === "wall" ? ms : Math.round(ms + offsetMs));
  for (const job of jobs)
    if (job.dueMs !== undefined && job.remaining > 0 && !job.isPaused)
      heads.push({
        job,
        dueMs: job.dueMs,
        left: job.remaining,
        atMs: toWall(job, job.dueMs) + job.jitterMs,
      });
  const found: UpcomingRun[] = [];
  while (found.length < count && heads.length > 0) {
    let best = 0;
    for (let i = 1; i < heads.length; i++)
      if ((heads[i] as { atMs: number }).atMs < (heads[best] as { atMs: number }).atMs) best = i;
    const head = heads[best] as (typeof heads)[number];
    const { job } = head;
    found.push({ jobId: job.id, scheduledAt: toWall(job, head.dueMs), atMs: head.atMs });
    const after = job.timeline.after(head.dueMs);
    if (after === undefined || --head.left <= 0) heads.splice(best, 1);
    else {
      head.dueMs = after;
      head.atMs = toWall(job, after) + job.jitterMs;
    }
  }
  return found;
}
