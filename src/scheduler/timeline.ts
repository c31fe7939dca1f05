import { compileCron } from "./cron.ts";
import { type JobDefinition } from "./job-definition.ts";

/**
 * When a job is due, without jitter: pure, and on one clock. Delays and intervals are on the monotonic clock, so that nobody
 * who sets the clock changes them; moments and cron are on the wall clock.
 */
export type Timeline = {
  clock: "monotonic" | "wall";
  /** The first time, or undefined where there is none. */
  first: number | undefined;
  /** The first time after `ms`, or undefined. */
  after: (ms: number) => number | undefined;
  /** Fixed delay: each time but the first follows the end of a run by so much, and `after` knows none. */
  delayMs: number | undefined;
  /** No time is after this. */
  lastMs: number;
};

/** Both clocks at one moment, in milliseconds. */
export type Now = { monotonicMs: number; wallMs: number };

/** @throws {AuroraError} `usage` for a bad cron expression or time zone */
export function timelineOf(definition: JobDefinition, now: Now): Timeline {
  const timeline = unbounded(definition, now);
  const { endMs } = definition;
  if (endMs === undefined) return timeline;
  const lastMs = timeline.clock === "wall" ? endMs : endMs - now.wallMs + now.monotonicMs;
  const bound = (ms: number | undefined) => (ms === undefined || ms > lastMs ? undefined : ms);
  return { ...timeline, first: bound(timeline.first), after: (ms) => bound(timeline.after(ms)), lastMs };
}

function unbounded(definition: JobDefinition, now: Now): Timeline {
  const { schedule, firstMs, lastScheduledMs } = definition;
  const toMonotonic = now.monotonicMs - now.wallMs;
  switch (schedule.kind) {
    case "after":
      return once("monotonic", now.monotonicMs + schedule.delayMs);
    case "at":
      return lastScheduledMs === undefined
        ? once("wall", schedule.atMs)
        : { ...once("wall", schedule.atMs), first: undefined };
    case "every": {
      const { intervalMs, mode = "fixed-rate" } = schedule;
      const anchor =
        lastScheduledMs !== undefined
          ? lastScheduledMs + toMonotonic + intervalMs
          : firstMs === undefined
            ? now.monotonicMs + intervalMs
            : firstMs + toMonotonic;
      if (mode === "fixed-delay")
        return {
          clock: "monotonic",
          first: lastScheduledMs === undefined ? Math.max(anchor, now.monotonicMs) : anchor,
          after: () => undefined,
          delayMs: intervalMs,
          lastMs: Infinity,
        };
      const after = (ms: number) =>
        ms < anchor ? anchor : anchor + (Math.floor((ms - anchor) / intervalMs) + 1) * intervalMs;
      // A first time in the past only says where the grid lies.
      const first =
        lastScheduledMs === undefined && anchor < now.monotonicMs ? after(now.monotonicMs) : anchor;
      return { clock: "monotonic", first, after, delayMs: undefined, lastMs: Infinity };
    }
    case "cron": {
      const { expression, timezone, extended } = schedule;
      const cron = compileCron(expression, timezone, { extended });
      const earliest = (firstMs ?? -Infinity) - 1;
      const after = (ms: number) => cron.next(Math.max(ms, earliest));
      return {
        clock: "wall",
        first: after(lastScheduledMs ?? now.wallMs),
        after,
        delayMs: undefined,
        lastMs: Infinity,
      };
    }
  }
}

function once(clock: Timeline["clock"], at: number): Timeline {
  return {
    clock,
    first: at,
    after: (ms) => (ms < at ? at : undefined),
    delayMs: undefined,
    lastMs: Infinity,
  };
}
