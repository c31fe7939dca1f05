import { type JobSpec, type PackJob } from "../../lifecycle/jobs.ts";
import { CLOCK_RESET_MS } from "../../scheduler/clock-watch.ts";
import { type JobDefinition } from "../../scheduler/job-definition.ts";
import { DEFAULT_GRACE_MS, takeDue } from "../../scheduler/misfire.ts";
import { stableJitter } from "../../scheduler/stable-jitter.ts";
import { timelineOf } from "../../scheduler/timeline.ts";
import { writeDuration } from "../../system/units.ts";

/** Under `overlap: allow`, so many runs of a job at once. */
const MAX_PARALLEL_RUNS = 16;
/** Under `misfire: run-all`, so many missed runs are made up for. */
const MAX_MADE_UP_RUNS = 100;

/** A job as the scheduler takes it, without what it does. Pure. @param nowMs the wall clock */
export function definitionOf({ id, spec, state }: PackJob, nowMs: number): Omit<JobDefinition, "run"> {
  const last = lastScheduled(spec, state, nowMs);
  return {
    id,
    schedule: scheduleOf(spec),
    tags: spec.tags,
    overlap: spec.overlap === "allow" ? { allow: MAX_PARALLEL_RUNS } : spec.overlap,
    misfire: spec.misfire === "run-all" ? { all: MAX_MADE_UP_RUNS } : spec.misfire,
    jitterMs: spec.jitter_ms,
    ...(last === undefined ? {} : { lastScheduledMs: last }),
    ...(spec.retries === null || spec.retries === 0 ? {} : { retry: { limit: spec.retries } }),
  };
}

function scheduleOf({ schedule }: JobSpec): JobDefinition["schedule"] {
  switch (schedule.kind) {
    case "cron":
      return {
        kind: "cron",
        expression: schedule.expression,
        timezone: schedule.timezone ?? machineTimezone(),
      };
    case "every":
      return { kind: "every", intervalMs: schedule.interval_ms };
    case "at":
      return { kind: "at", atMs: schedule.at_ms };
  }
}

function machineTimezone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/**
 * From where a job counts on: the last scheduled time of which something is recorded, else since when it has been there. A
 * record from a time that has not come shows that the clock was set back. Cron then waits for its time, as within one
 * process, unless it was more than three hours: then the clock was wrong before. An interval goes on from now.
 */
function lastScheduled(spec: JobSpec, state: PackJob["state"], nowMs: number): number | undefined {
  if (spec.schedule.kind === "at") return state?.last_scheduled_ms ?? undefined;
  const last = state?.last_scheduled_ms ?? state?.anchor_ms ?? nowMs;
  if (last <= nowMs) return last;
  const isTrusted = spec.schedule.kind === "cron" && last - nowMs <= CLOCK_RESET_MS;
  return isTrusted && state?.last_scheduled_ms !== null ? last : nowMs;
}

/** Whether a job for one moment has had it. */
export function isDone({ spec, state }: PackJob): boolean {
  return spec.schedule.kind === "at" && state !== undefined && state.last_scheduled_ms !== null;
}

/** A scheduled time, and when it comes with the job's jitter. Milliseconds since 1970-01-01T00:00Z. */
export type NextTime = { scheduledMs: number; atMs: number };

/**
 * The next times of a job, as its record says: first what is overdue and would run at once, then what is to come. Pure.
 *
 * @throws {AuroraError} `usage` for a cron expression or time zone that makes no sense
 */
export function nextTimes(job: PackJob, nowMs: number, count: number): NextTime[] {
  const definition = { ...definitionOf(job, nowMs), run: () => {} };
  const timeline = timelineOf(definition, { monotonicMs: nowMs, wallMs: nowMs });
  const jitterMs = stableJitter(job.id, job.spec.jitter_ms);
  const times: number[] = [];
  let next = timeline.first;
  const now = nowMs - jitterMs;
  if (next !== undefined && next <= now) {
    const due = takeDue(timeline, next, now, definition.misfire ?? "run-once", DEFAULT_GRACE_MS);
    times.push(...due.run);
    next = due.next;
  }
  for (; next !== undefined && times.length < count; next = timeline.after(next)) times.push(next);
  return times.slice(0, count).map((scheduledMs) => ({ scheduledMs, atMs: scheduledMs + jitterMs }));
}

/** When a job runs, on one line: "every 30s", "0 3 * * * (Europe/Berlin)", "at 2026-11-24T12:00:00.000Z". */
export function specText({ schedule }: JobSpec): string {
  switch (schedule.kind) {
    case "cron":
      return schedule.timezone === null
        ? schedule.expression
        : `${schedule.expression} (${schedule.timezone})`;
    case "every":
      return `every ${writeDuration(schedule.interval_ms)}`;
    case "at":
      return `at ${new Date(schedule.at_ms).toISOString()}`;
  }
}
