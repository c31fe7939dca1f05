import { type Timeline } from "./timeline.ts";

/**
 * What happens to runs whose time passed while nothing could run: the machine slept, the clock was set, the process was
 * down, or the loop was held.
 *
 * - `run-once`: the latest of them runs, the others are recorded as missed
 * - `skip`: the latest runs only if it is late by no more than the grace; else all are missed
 * - `all`: the latest `max` run, one after the other
 */
export type MisfirePolicy = "run-once" | "skip" | { all: number };

/** The most that `all` may ask for. */
export const MAX_CATCH_UP = 1000;

/** How late a run may be before `skip` skips it. Longer than the 30 s in which a change of the clock is noticed. */
export const DEFAULT_GRACE_MS = 60_000;

/** Missed runs are counted so far, and not further. */
export const MAX_COUNTED_MISSES = 10_000;

export type Due = {
  /** The times to run for, oldest first. */
  run: number[];
  /** How many were missed: exact up to `MAX_COUNTED_MISSES`. */
  missed: number;
  /** The next time that is not due yet, or undefined where the job is at its end. */
  next: number | undefined;
  /** The last time that is due. */
  last: number;
};

/**
 * Decides about all times from `due` to `now`.
 *
 * @param due a time of the timeline that is not after `now`
 */
export function takeDue(
  timeline: Timeline,
  due: number,
  now: number,
  policy: MisfirePolicy,
  graceMs: number,
): Due {
  const next = timeline.after(now);
  const wanted = typeof policy === "object" ? policy.all : 1;
  const second = timeline.after(due);
  const isAlone = second === undefined || second > now;
  const latest = isAlone ? [due] : latestOf(timeline, due, now, wanted);
  const total = isAlone ? 1 : countUpTo(timeline, due, now, MAX_COUNTED_MISSES + latest.length);
  const last = latest.at(-1) as number;
  if (policy === "skip" && now - last > graceMs)
    return { run: [], missed: Math.min(total, MAX_COUNTED_MISSES), next, last };
  return { run: latest, missed: total - latest.length, next, last };
}

/** The last `count` times from `due` to `now`. Looks back in growing steps, so that a year of seconds is not counted through. */
function latestOf(timeline: Timeline, due: number, now: number, count: number): number[] {
  for (let reach = 1000; ; reach *= 4) {
    const from = Math.max(due, now - reach);
    const found: number[] = [];
    for (
      let at: number | undefined = from === due ? due : timeline.after(from);
      at !== undefined && at <= now;
      at = timeline.after(at)
    ) {
      found.push(at);
      if (found.length > count) found.shift();
    }
    if (found.length === count || from === due) return found;
  }
}

function countUpTo(timeline: Timeline, due: number, now: number, limit: number): number {
  let count = 0;
  for (let at: number | undefined = due; at !== undefined && at <= now && count < limit; count++)
    at = timeline.after(at);
  return count;
}
