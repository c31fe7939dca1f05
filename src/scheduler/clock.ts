import { uptime } from "node:os";

/** A timer that was set. Cancelling one that has fired does nothing. */
export type Timer = {
  cancel: () => void;
  /** Whether the timer alone keeps the process alive. */
  setRef: (isRef: boolean) => void;
};

/** Everything the scheduler knows of time. A parameter, so that a test can run a year in a second. */
export type Clock = {
  /** Milliseconds since some fixed moment; never goes back, and stands still while the machine is suspended (CLOCK_MONOTONIC). */
  monotonicMs: () => number;
  /** Milliseconds since 1970-01-01T00:00Z, an integer. Anybody may set this clock at any moment. */
  wallMs: () => number;
  /** Milliseconds since boot, with the time spent suspended (CLOCK_BOOTTIME): tells a suspend from a clock that was set. */
  bootMs: () => number;
  /** Runs `run` once, not before `delayMs` (1 to 2^31 - 1) have passed on the monotonic clock. */
  setTimer: (delayMs: number, run: () => void) => Timer;
  /** Runs `run` as soon as timers and input/output have had their turn. */
  soon: (run: () => void) => void;
};

/**
 * The machine's clock.
 *
 * `soon` is setImmediate: in Bun 1.4.5 promises and MessageChannel starve timers and input/output until the queue is empty.
 */
export function systemClock(): Clock {
  return {
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    bootMs: () => uptime() * 1000,
    setTimer(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return {
        cancel: () => clearTimeout(timer),
        setRef: (isRef) => void (isRef ? timer.ref() : timer.unref()),
      };
    },
    soon: (run) => void setImmediate(run),
  };
}
