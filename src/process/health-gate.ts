import { longTimer } from "./long-timer.ts";

/** The manifest's four clocks and the count of passes. All seconds are 0 or more. */
export type GateConfig = {
  /** Failures in the first so many seconds do not count: it is as if the check had not been made. */
  grace_seconds: number;
  /** From the start of one check to the start of the next. */
  interval_seconds: number;
  /** So many checks in a row have to pass. */
  passes: number;
  /** From the start: who is not green by then is unhealthy. */
  deadline_seconds: number;
  /** Once green, it has to stay green for so long. */
  soak_seconds: number;
};

export type GateState = {
  config: GateConfig;
  startedMs: number;
  passesInRow: number;
  /** When the next check is due; undefined while one runs. */
  nextProbeMs: number | undefined;
  lastProbeMs: number;
  /** When the soak ends; undefined before the first green. */
  soakEndsMs: number | undefined;
  outcome: GateOutcome | undefined;
};

export type GateEvent = { type: "tick" } | { type: "result"; healthy: boolean };
type GateOutcome = { type: "done"; healthy: boolean; reason: string };
export type GateAction = { type: "wait"; untilMs: number } | { type: "probe" } | GateOutcome;

export type GateClock = {
  /** Milliseconds on a clock that never goes back. */
  now: () => number;
  /** Resolves after `ms`, or earlier when `signal` aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** Checks without a pause between them would use up a processor. */
const MIN_INTERVAL_MS = 10;

/** A gate that has just been started: nothing is checked yet, which is not healthy. Pure. */
export function createGate(config: GateConfig, nowMs: number): GateState {
  return {
    config,
    startedMs: nowMs,
    passesInRow: 0,
    nextProbeMs: nowMs,
    lastProbeMs: nowMs,
    soakEndsMs: undefined,
    outcome: undefined,
  };
}

/** What to do next, after a check has ended (`result`) or time has passed (`tick`). Pure. */
export function nextGate(
  state: GateState,
  event: GateEvent,
  nowMs: number,
): { state: GateState; action: GateAction } {
  if (state.outcome) return { state, action: state.outcome };
  const judged = event.type === "result" ? afterResult(state, event.healthy, nowMs) : state;
  if (judged.outcome) return { state: judged, action: judged.outcome };
  const deadlineMs = judged.soakEndsMs === undefined ? deadlineOf(judged) : Infinity;
  if (nowMs >= deadlineMs) {
    const { passes, deadline_seconds } = judged.config;
    const wanted = passes > 1 ? `${passes} passes in a row` : "a pass";
    return end(judged, false, `its health check did not reach ${wanted} within ${deadline_seconds} s`);
  }
  if (judged.nextProbeMs === undefined)
    return { state: judged, action: { type: "wait", untilMs: deadlineMs } };
  if (nowMs >= judged.nextProbeMs)
    return {
      state: { ...judged, nextProbeMs: undefined, lastProbeMs: nowMs },
      action: { type: "probe" },
    };
  return { state: judged, action: { type: "wait", untilMs: Math.min(judged.nextProbeMs, deadlineMs) } };
}

function afterResult(state: GateState, healthy: boolean, nowMs: number): GateState {
  const { config, soakEndsMs } = state;
  const intervalMs = Math.max(config.interval_seconds * 1000, MIN_INTERVAL_MS);
  const dueMs = Math.max(nowMs, state.lastProbeMs + intervalMs);
  if (!healthy) {
    const counts = nowMs - state.startedMs >= config.grace_seconds * 1000;
    if (!counts) return { ...state, nextProbeMs: dueMs };
    if (soakEndsMs !== undefined)
      return end(state, false, `it did not stay healthy for ${config.soak_seconds} s`).state;
    return { ...state, passesInRow: 0, nextProbeMs: dueMs };
  }
  const passesInRow = state.passesInRow + 1;
  if (soakEndsMs === undefined) {
    // A check that was begun in time but ended too late says nothing about the time before the deadline.
    if (passesInRow < config.passes || nowMs > deadlineOf(state))
      return { ...state, passesInRow, nextProbeMs: dueMs };
    if (config.soak_seconds <= 0) return end(state, true, "its health check passed").state;
    const endsMs = nowMs + config.soak_seconds * 1000;
    return { ...state, passesInRow, soakEndsMs: endsMs, nextProbeMs: Math.min(dueMs, endsMs) };
  }
  if (nowMs >= soakEndsMs) return end(state, true, `it stayed healthy for ${config.soak_seconds} s`).state;
  return { ...state, passesInRow, nextProbeMs: Math.min(dueMs, soakEndsMs) };
}

function deadlineOf({ startedMs, config }: GateState): number {
  return startedMs + config.deadline_seconds * 1000;
}

function end(state: GateState, healthy: boolean, reason: string): { state: GateState; action: GateOutcome } {
  const outcome: GateOutcome = { type: "done", healthy, reason };
  return { state: { ...state, nextProbeMs: undefined, outcome }, action: outcome };
}

/**
 * Feeds a gate with checks and time until it is decided. Two checks never run at once. A check that is still running when
 * the gate is decided is aborted through its signal and waited for, so that nothing of it runs on.
 *
 * @param probe one check; it settles soon after its signal aborts. One that throws is unhealthy
 * @param signal the operator's stop: the gate ends as not healthy
 */
export async function runGate(
  config: GateConfig,
  probe: (signal: AbortSignal) => Promise<boolean>,
  signal: AbortSignal = new AbortController().signal,
  clock: GateClock = realClock,
): Promise<{ healthy: boolean; reason: string }> {
  let state = createGate(config, clock.now());
  let event: GateEvent = { type: "tick" };
  let running: { result: Promise<GateEvent>; abort: AbortController } | undefined;
  try {
    while (!signal.aborted) {
      const next = nextGate(state, event, clock.now());
      ({ state } = next);
      if (next.action.type === "done") return { healthy: next.action.healthy, reason: next.action.reason };
      if (next.action.type === "probe") {
        const abort = new AbortController();
        running = { result: judge(probe, AbortSignal.any([signal, abort.signal])), abort };
        event = { type: "tick" };
        continue;
      }
      event = await firstOf(running?.result, next.action.untilMs, signal, clock);
      if (event.type === "result") running = undefined;
    }
    return { healthy: false, reason: "it was stopped before it was decided" };
  } finally {
    running?.abort.abort();
    await running?.result;
  }
}

async function judge(
  probe: (signal: AbortSignal) => Promise<boolean>,
  signal: AbortSignal,
): Promise<GateEvent> {
  try {
    return { type: "result", healthy: await probe(signal) };
  } catch {
    return { type: "result", healthy: false };
  }
}

/** The running check's result, or a tick at `untilMs` or at the operator's stop. */
async function firstOf(
  result: Promise<GateEvent> | undefined,
  untilMs: number,
  signal: AbortSignal,
  clock: GateClock,
): Promise<GateEvent> {
  const awake = new AbortController();
  const either = AbortSignal.any([signal, awake.signal]);
  const tick = clock
    .sleep(Math.max(0, untilMs - clock.now()), either)
    .then((): GateEvent => ({ type: "tick" }));
  try {
    return await Promise.race(result ? [result, tick] : [tick]);
  } finally {
    awake.abort();
  }
}

const realClock: GateClock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const cancel = ms === Infinity ? () => {} : longTimer(ms, resolve);
      signal.addEventListener("abort", () => (cancel(), resolve()), { once: true });
    }),
};
