import { type Clock } from "./clock.ts";

/** How often the wall clock is compared with the monotonic one while a job waits for a time of day. */
export const CLOCK_CHECK_MS = 30_000;

/** Differences up to this are left alone: a clock that is slewed gently moves by less than 15 ms between two checks. */
const SLACK_MS = 20;

/** A change of the clock from this on is told to the listener. */
const TOLD_FROM_MS = 1000;

/** A clock that is set back further than this was wrong before: what has run by it says nothing. As vixie cron, cron.c. */
export const CLOCK_RESET_MS = 3 * 3_600_000;

export type ClockChange = { kind: "set" | "suspended"; byMs: number };

/** The wall clock as seen from the monotonic one. */
export type ClockState = {
  /** What to add to the monotonic clock to get the wall clock. */
  offsetMs: number;
  /** The same for the clock that runs on while the machine is suspended. */
  bootOffsetMs: number;
};

export function readClocks(clock: Clock): ClockState {
  const monotonicMs = clock.monotonicMs();
  return { offsetMs: clock.wallMs() - monotonicMs, bootOffsetMs: clock.bootMs() - monotonicMs };
}

/**
 * Compares the clocks with what they were.
 *
 * @returns undefined where the wall clock has kept pace; else the new state, by how much the wall clock moved against the
 *   monotonic one, by how much of that somebody has set it, and what is worth telling
 */
export function compareClocks(
  before: ClockState,
  clock: Clock,
): { state: ClockState; movedMs: number; setByMs: number; changes: ClockChange[] } | undefined {
  const movedMs = clock.wallMs() - clock.monotonicMs() - before.offsetMs;
  if (Math.abs(movedMs) <= SLACK_MS) return undefined;
  const state = readClocks(clock);
  const suspendedMs = state.bootOffsetMs - before.bootOffsetMs;
  const slept = suspendedMs >= TOLD_FROM_MS ? suspendedMs : 0;
  const setByMs = movedMs - slept;
  const changes: ClockChange[] = [];
  if (slept > 0) changes.push({ kind: "suspended", byMs: Math.round(slept) });
  if (Math.abs(setByMs) >= TOLD_FROM_MS) changes.push({ kind: "set", byMs: Math.round(setByMs) });
  return { state, movedMs, setByMs, changes };
}
