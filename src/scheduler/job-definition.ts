import { AuroraError } from "../errors.ts";
import { DEFAULT_PRIORITY, PRIORITIES } from "./admission.ts";
import { MAX_CATCH_UP, type MisfirePolicy } from "./misfire.ts";
import { type OverlapPolicy } from "./overlap.ts";
import { type RetryPolicy } from "./retry-delay.ts";
import { type TaskFunction } from "./task-context.ts";
import { MAX_DELAY_MS } from "./timer-loop.ts";

/** When a job runs. Moments are milliseconds since 1970-01-01T00:00Z. */
type Schedule =
  /** Once, after so long on the monotonic clock. */
  | { kind: "after"; delayMs: number }
  /** Once, at a time of the wall clock. One in the past is late, and handled as `misfire` says. */
  | { kind: "at"; atMs: number }
  /** Again and again: at the same distance (fixed rate, the default), or so long after the end of the run before. */
  | { kind: "every"; intervalMs: number; mode?: "fixed-rate" | "fixed-delay" }
  /** By a cron expression in a time zone; `extended` allows `L`, `W`, `#` and `?`. */
  | { kind: "cron"; expression: string; timezone: string; extended?: boolean };

export type JobDefinition = {
  /** Names the job. At most one job of a name exists at a time. */
  id: string;
  schedule: Schedule;
  run: TaskFunction;
  /** Runs later by up to so many milliseconds: always by the same for one id, so that jobs of one time spread out. */
  jitterMs?: number;
  /** No run before this moment; for `every` also where its grid lies. */
  firstMs?: number;
  /** No run after this moment. */
  endMs?: number;
  /** So many runs, and no more. Missed, skipped and repeated ones do not count. */
  count?: number;
  /** The scheduled time of the last run that is known from before, so that what was missed since is noticed. */
  lastScheduledMs?: number;
  /** Default `run-once`. */
  misfire?: MisfirePolicy;
  /** How late a run may be under `skip`. Default 60 s. */
  graceMs?: number;
  /** Default `skip`. */
  overlap?: OverlapPolicy;
  /** How much of each resource a run needs, against the scheduler's capacities. */
  tags?: Readonly<Record<string, number>>;
  /** 0 to 3, 3 goes first. Default 1. */
  priority?: number;
  /** The run is told to stop after so long. */
  timeoutMs?: number;
  retry?: RetryPolicy;
};

/** The longest id, in characters. */
export const MAX_ID_LENGTH = 256;

/** Refuses what cannot be meant. @throws {AuroraError} `usage` */
export function checkDefinition(definition: JobDefinition): void {
  const { id, schedule } = definition;
  const check = (isGood: boolean, reason: string) => {
    if (!isGood) throw new AuroraError("usage", `cannot schedule the job "${id}": ${reason}`);
  };
  check(id.length > 0 && id.length <= MAX_ID_LENGTH, `an id has 1 to ${MAX_ID_LENGTH} characters`);
  if (schedule.kind === "after") check(isDelay(schedule.delayMs, 0), `${schedule.delayMs} ms is no delay`);
  if (schedule.kind === "at") check(isMoment(schedule.atMs), `${schedule.atMs} is no moment`);
  if (schedule.kind === "every")
    check(isDelay(schedule.intervalMs, 1), `${schedule.intervalMs} ms is no interval`);
  check(isDelay(definition.jitterMs, 0), `${definition.jitterMs} ms is no jitter`);
  check(isDelay(definition.graceMs, 0), `${definition.graceMs} ms is no grace`);
  check(isDelay(definition.timeoutMs, 1), `${definition.timeoutMs} ms is no timeout`);
  check(
    isMoment(definition.firstMs) && isMoment(definition.endMs),
    "its first and its end have to be moments",
  );
  check(isCount(definition.count, Infinity), `it cannot run ${definition.count} times`);
  const { misfire, overlap, priority = DEFAULT_PRIORITY, retry } = definition;
  if (typeof misfire === "object")
    check(
      isCount(misfire.all, MAX_CATCH_UP),
      `it can catch up on 1 to ${MAX_CATCH_UP} runs, not ${misfire.all}`,
    );
  if (typeof overlap === "object")
    check(isCount(overlap.allow, Infinity), `it cannot overlap ${overlap.allow} times`);
  check(
    Number.isInteger(priority) && priority >= 0 && priority < PRIORITIES,
    `a priority is 0 to ${PRIORITIES - 1}`,
  );
  for (const [tag, amount] of Object.entries(definition.tags ?? {}))
    check(amount > 0 && Number.isFinite(amount), `it cannot need ${amount} of "${tag}"`);
  if (retry)
    check(
      isCount(retry.limit, Infinity) && isDelay(retry.baseMs, 0) && isDelay(retry.maxMs, 0),
      "its retries need a limit from 1 and delays from 0",
    );
}

function isCount(count: number | undefined, high: number): boolean {
  return (
    count === undefined || (count >= 1 && count <= high && (Number.isInteger(count) || count === Infinity))
  );
}

/** ECMA-262: time values end at 8.64e15 ms. */
function isMoment(ms: number | undefined): boolean {
  return ms === undefined || Math.abs(ms) <= 8.64e15;
}

function isDelay(ms: number | undefined, low: number): boolean {
  return ms === undefined || (ms >= low && ms <= MAX_DELAY_MS);
}
