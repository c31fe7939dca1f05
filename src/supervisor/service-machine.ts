import { createGate, type GateEvent, nextGate } from "../process/health-gate.ts";
import { pauseMs, STABLE_MS } from "./backoff.ts";
import { type ServicePolicy } from "./service-spec.ts";
import { initialState, type Phase, type ServiceState } from "./service-state.ts";

export type ServiceEvent =
  /** The operator: run, rest, or both one after the other. */
  | { type: "start" | "stop" | "restart" }
  /** What it depends on is healthy. */
  | { type: "dependencies" }
  /** Its process is there; or cannot be started, for a reason. */
  | { type: "spawned" }
  | { type: "spawn-failed"; reason: string }
  /** What it says by sd_notify(3): READY=1, STOPPING=1, WATCHDOG=1, WATCHDOG=trigger, WATCHDOG_USEC, EXTEND_TIMEOUT_USEC. */
  | { type: "ready" | "leaving" | "alive" | "trigger" }
  | { type: "watchdog"; ms: number }
  | { type: "extended"; byMs: number }
  /** Its first process has ended. `isGone`: and nothing else of it is left. `why`: what is known beyond its exit code. */
  | { type: "exited"; rc: number | null; signal: string | null; isGone: boolean; why?: string | null }
  /** Nothing of it is left. */
  | { type: "gone" }
  | { type: "probed"; healthy: boolean; output: string }
  /** Somebody else has found it healthy, by the same clocks: the transaction that has started it. */
  | { type: "vouched" }
  /** A moment has come that the state waits for. */
  | { type: "due" };

export type ServiceAction =
  /** Start its process. */
  | "spawn"
  /** Send the stop signal to all of it, and tell when nothing is left. */
  | "signal"
  /** Send SIGKILL to all of it, and tell when nothing is left. */
  | "kill"
  | "probe"
  | "cancel-probe";

export type Step = { state: ServiceState; actions: readonly ServiceAction[] };
/** What a decision may look at besides the state: the clock and a random number from 0 up to 1 come in. */
type Now = { policy: ServicePolicy; nowMs: number; random: number };
type Cell = (state: ServiceState, event: never, now: Now) => Step;

/** So many failed checks in a row of a running service are a failure. */
export const UNHEALTHY_AFTER = 3;
/** SIGKILL is repeated so often, in milliseconds: what forks while it is killed is met by the next one. */
export const KILL_AGAIN_MS = 1000;

/** All there is to a service: what happens in which phase. What is not in the table changes nothing. */
const table: Readonly<Record<Phase, Readonly<Partial<Record<ServiceEvent["type"], Cell>>>>> = {
  stopped: { start: begin, restart: begin },
  exited: { start: begin, restart: begin, stop: rest },
  failed: { start: begin, restart: begin, stop: rest },
  waiting: { dependencies: spawn, stop: rest },
  backoff: { due: wait, start: begin, restart: begin, stop: rest },
  starting: {
    spawned: spawned,
    "spawn-failed": spawnFailed,
    ready: ready,
    exited: exitedUnready,
    due: startTimedOut,
    extended: extend,
    watchdog: setWatchdog,
    stop: endForRest,
    restart: endForStart,
  },
  checking: {
    probed: checked,
    vouched: vouched,
    due: checkDue,
    exited: exited,
    leaving: leave,
    alive: fed,
    trigger: starved,
    watchdog: setWatchdog,
    stop: endForRest,
    restart: endForStart,
  },
  running: {
    probed: watched,
    due: watchDue,
    exited: exited,
    leaving: leave,
    alive: fed,
    trigger: starved,
    watchdog: setWatchdog,
    stop: endForRest,
    restart: endForStart,
  },
  stopping: {
    exited: exitedAtLast,
    gone: gone,
    due: kill,
    extended: extend,
    "spawn-failed": gone,
    start: thenStart,
    restart: thenStart,
    stop: thenRest,
  },
  killing: {
    exited: exitedAtLast,
    gone: gone,
    due: killAgain,
    "spawn-failed": gone,
    start: thenStart,
    restart: thenStart,
    stop: thenRest,
  },
};

/** What a service does next, after `event`. Pure. */
export function nextService(
  state: ServiceState,
  event: ServiceEvent,
  policy: ServicePolicy,
  nowMs: number,
  random: number,
): Step {
  const cell = table[state.phase][event.type];
  return cell === undefined ? stay(state) : cell(state, event as never, { policy, nowMs, random });
}

function stay(state: ServiceState): Step {
  return { state, actions: [] };
}

/** Enters a phase: what belonged to the last one is over. */
function enter(
  state: ServiceState,
  phase: Phase,
  nowMs: number,
  more: Partial<ServiceState>,
  ...actions: ServiceAction[]
): Step {
  return {
    state: {
      ...state,
      phase,
      sinceMs: nowMs,
      dueMs: null,
      gate: null,
      isProbing: false,
      probeDueMs: null,
      failedProbes: 0,
      failedCheck: null,
      ...more,
    },
    actions: state.isProbing ? ["cancel-probe", ...actions] : actions,
  };
}

/** A start by the operator forgets what went wrong before, so that it is made whatever that was. */
function begin(_: ServiceState, __: ServiceEvent, { nowMs }: Now): Step {
  return enter(initialState, "waiting", nowMs, {});
}

function wait(state: ServiceState, _: ServiceEvent, { nowMs }: Now): Step {
  if (state.dueMs !== null && nowMs < state.dueMs) return stay(state);
  return enter(state, "waiting", nowMs, {});
}

function rest(state: ServiceState, _: ServiceEvent, { nowMs }: Now): Step {
  const { rc, signal, restarts } = state;
  return enter(initialState, "stopped", nowMs, { rc, signal, restarts });
}

function spawn(state: ServiceState, _: ServiceEvent, { policy, nowMs }: Now): Step {
  const oldest = nowMs - policy.startLimit.intervalSeconds * 1000;
  // Most have none, and then there is no need for another list.
  const starts = state.starts.every((at) => at > oldest)
    ? state.starts
    : state.starts.filter((at) => at > oldest);
  const watchdogMs = policy.watchdogSeconds === null ? null : policy.watchdogSeconds * 1000;
  return enter(
    state,
    "starting",
    nowMs,
    {
      dueMs: nowMs + policy.startTimeoutSeconds * 1000,
      starts: state.isAutomatic ? [...starts, nowMs] : starts,
      restarts: state.restarts + Number(state.isAutomatic),
      startedMs: nowMs,
      upMs: null,
      rc: null,
      signal: null,
      isFailure: false,
      reason: null,
      next: "judge",
      health: "unknown",
      watchdogMs,
      watchdogDueMs: null,
    },
    "spawn",
  );
}

function spawned(state: ServiceState, event: ServiceEvent, now: Now): Step {
  return now.policy.type === "simple" ? ready(state, event, now) : stay(state);
}

function spawnFailed(state: ServiceState, { reason }: { reason: string }, now: Now): Step {
  return judge({ ...state, isFailure: true, reason }, now);
}

function ready(state: ServiceState, _: ServiceEvent, { policy, nowMs }: Now): Step {
  const { watchdogMs } = state;
  const watchdogDueMs = watchdogMs === null ? null : nowMs + watchdogMs;
  if (policy.health === null) return enter(state, "running", nowMs, { upMs: nowMs, watchdogDueMs });
  const entered = enter(state, "checking", nowMs, {
    gate: createGate(policy.health.gate, nowMs),
    watchdogDueMs,
  });
  return advanceGate(entered.state, { type: "tick" }, policy, nowMs);
}

type Probed = { healthy: boolean; output: string };

function checked(state: ServiceState, { healthy, output }: Probed, { policy, nowMs }: Now): Step {
  const failedCheck = healthy ? null : output;
  return advanceGate({ ...state, isProbing: false, failedCheck }, { type: "result", healthy }, policy, nowMs);
}

function checkDue(state: ServiceState, event: ServiceEvent, now: Now): Step {
  return isStarved(state, now)
    ? starved(state, event, now)
    : advanceGate(state, { type: "tick" }, now.policy, now.nowMs);
}

/** Goes on with the health gate, until it waits for a moment or for a check. */
function advanceGate(state: ServiceState, event: GateEvent, policy: ServicePolicy, nowMs: number): Step {
  if (state.gate === null) return stay(state);
  const { state: gate, action } = nextGate(state.gate, event, nowMs);
  if (action.type === "wait") {
    const dueMs = action.untilMs === Infinity ? null : action.untilMs;
    return stay({ ...state, gate, dueMs });
  }
  if (action.type === "probe") {
    const probing = advanceGate({ ...state, gate, isProbing: true }, { type: "tick" }, policy, nowMs);
    return { state: probing.state, actions: ["probe", ...probing.actions] };
  }
  if (action.healthy) return becomeHealthy(state, policy, nowMs);
  const reason = withLastCheck(action.reason, state.failedCheck);
  return end({ ...state, isFailure: true, health: "unhealthy", reason }, "judge", policy, nowMs);
}

/** @param said nothing in a record of an earlier version */
function withLastCheck(reason: string, said: string | null | undefined): string {
  return said === null || said === undefined || said === "" ? reason : `${reason}; the last check: ${said}`;
}

function vouched(state: ServiceState, _: ServiceEvent, { policy, nowMs }: Now): Step {
  return becomeHealthy(state, policy, nowMs);
}

function becomeHealthy(state: ServiceState, policy: ServicePolicy, nowMs: number): Step {
  return enter(state, "running", nowMs, {
    upMs: nowMs,
    health: "healthy",
    reason: null,
    ...watchFrom(policy, nowMs),
  });
}

function watchFrom({ health }: ServicePolicy, nowMs: number): { probeDueMs: number | null } {
  const seconds = health?.watchSeconds ?? 0;
  return { probeDueMs: seconds > 0 ? nowMs + seconds * 1000 : null };
}

function watchDue(state: ServiceState, event: ServiceEvent, now: Now): Step {
  if (isStarved(state, now)) return starved(state, event, now);
  if (state.probeDueMs === null || now.nowMs < state.probeDueMs) return stay(state);
  return { state: { ...state, isProbing: true, probeDueMs: null }, actions: ["probe"] };
}

/** Where the policy restarts nothing, an unhealthy service is only called so. */
function watched(state: ServiceState, { healthy, output }: Probed, { policy, nowMs }: Now): Step {
  const failedProbes = healthy ? 0 : state.failedProbes + 1;
  const isUnhealthy = failedProbes >= UNHEALTHY_AFTER;
  const health = healthy ? "healthy" : isUnhealthy ? "unhealthy" : state.health;
  const reason = isUnhealthy ? withLastCheck(`${failedProbes} health checks in a row failed`, output) : null;
  const after: ServiceState = { ...state, isProbing: false, failedProbes, health, reason };
  if (isUnhealthy && policy.restart !== "no")
    return end({ ...after, isFailure: true }, "judge", policy, nowMs);
  return stay({ ...after, ...watchFrom(policy, nowMs) });
}

function fed(state: ServiceState, _: ServiceEvent, { nowMs }: Now): Step {
  return stay({ ...state, watchdogDueMs: state.watchdogMs === null ? null : nowMs + state.watchdogMs });
}

function setWatchdog(state: ServiceState, { ms }: { ms: number }, { nowMs }: Now): Step {
  const watchdogMs = ms > 0 ? ms : null;
  const isWatched = state.phase !== "starting" && watchdogMs !== null;
  return stay({ ...state, watchdogMs, watchdogDueMs: isWatched ? nowMs + watchdogMs : null });
}

function isStarved({ watchdogDueMs }: ServiceState, { nowMs }: Now): boolean {
  return watchdogDueMs !== null && nowMs >= watchdogDueMs;
}

function starved(state: ServiceState, _: ServiceEvent, { policy, nowMs }: Now): Step {
  const reason = "its watchdog was not answered";
  return end({ ...state, isFailure: true, health: "unhealthy", reason }, "judge", policy, nowMs);
}

function startTimedOut(state: ServiceState, _: ServiceEvent, { policy, nowMs }: Now): Step {
  if (state.dueMs === null || nowMs < state.dueMs) return stay(state);
  const reason = `it was not ready within ${policy.startTimeoutSeconds} s: it has not said READY=1`;
  return end({ ...state, isFailure: true, reason }, "judge", policy, nowMs);
}

function extend(state: ServiceState, { byMs }: { byMs: number }, { nowMs }: Now): Step {
  return stay({ ...state, dueMs: Math.max(state.dueMs ?? 0, nowMs + byMs) });
}

/** It says itself that it is about to end: it has the time that it would have after a signal. */
function leave(state: ServiceState, _: ServiceEvent, { policy, nowMs }: Now): Step {
  return enter(state, "stopping", nowMs, {
    dueMs: nowMs + policy.stopTimeoutSeconds * 1000,
    next: "judge",
    watchdogDueMs: null,
  });
}

function endForRest(state: ServiceState, _: ServiceEvent, { policy, nowMs }: Now): Step {
  return end({ ...state, reason: null }, "rest", policy, nowMs);
}

function endForStart(state: ServiceState, _: ServiceEvent, { policy, nowMs }: Now): Step {
  return end({ ...state, reason: null }, "start", policy, nowMs);
}

function end(state: ServiceState, next: ServiceState["next"], policy: ServicePolicy, nowMs: number): Step {
  const dueMs = nowMs + policy.stopTimeoutSeconds * 1000;
  return enter(state, "stopping", nowMs, { dueMs, next, watchdogDueMs: null }, "signal");
}

type Exited = { rc: number | null; signal: string | null; isGone: boolean; why?: string | null };

/** It ended by itself. What it left behind ends before anything else is decided. */
function exited(state: ServiceState, { rc, signal, isGone, why = null }: Exited, now: Now): Step {
  // That its checks had failed is no reason of an end that nobody has brought about for it.
  const after: ServiceState = {
    ...state,
    rc,
    signal,
    reason: why ?? (state.isFailure ? state.reason : null),
  };
  if (!isGone) return end(after, "judge", now.policy, now.nowMs);
  return judge(after, now);
}

/** With whatever exit code: who never said that it is ready was no service. */
function exitedUnready(state: ServiceState, event: Exited, now: Now): Step {
  if (now.policy.type !== "notify") return exited(state, event, now);
  const { rc, signal } = event;
  const reason = `${reasonOf({ rc, signal })} before it had said READY=1`;
  return exited({ ...state, isFailure: true, reason }, event, now);
}

function exitedAtLast(state: ServiceState, { rc, signal, isGone, why = null }: Exited, now: Now): Step {
  const after: ServiceState = { ...state, rc, signal, reason: state.reason ?? why };
  return isGone ? gone(after, undefined as never, now) : stay(after);
}

function thenStart(state: ServiceState): Step {
  return stay({ ...state, next: "start" });
}

function thenRest(state: ServiceState): Step {
  return stay({ ...state, next: "rest" });
}

function kill(state: ServiceState, _: ServiceEvent, { nowMs }: Now): Step {
  if (state.dueMs === null || nowMs < state.dueMs) return stay(state);
  return enter(state, "killing", nowMs, { dueMs: nowMs + KILL_AGAIN_MS }, "kill");
}

function killAgain(state: ServiceState, _: ServiceEvent, { nowMs }: Now): Step {
  if (state.dueMs === null || nowMs < state.dueMs) return stay(state);
  return { state: { ...state, dueMs: nowMs + KILL_AGAIN_MS }, actions: ["kill"] };
}

function gone(state: ServiceState, event: ServiceEvent, now: Now): Step {
  if (state.next === "start") return begin(state, event, now);
  return state.next === "rest" ? rest(state, event, now) : judge(state, now);
}

/** Nothing of it is left, and nobody asked for that: the policy says whether it starts again, and the backoff when. */
function judge(state: ServiceState, { policy, nowMs, random }: Now): Step {
  const isFailure = state.isFailure || state.rc !== 0;
  const reason = state.reason ?? reasonOf(state);
  // What was found while it ran is no health of what does not run.
  const health = state.health === "healthy" ? "unknown" : state.health;
  if (policy.restart === "no" || (policy.restart === "on-failure" && !isFailure))
    return enter(state, isFailure ? "failed" : "exited", nowMs, {
      isFailure,
      health,
      reason: isFailure ? reason : null,
      lastEnd: reason,
      upMs: null,
      watchdogDueMs: null,
    });
  const wasStable = state.upMs !== null && nowMs - state.upMs >= STABLE_MS;
  const failures = wasStable ? 1 : state.failures + 1;
  const dueMs = Math.max(nowMs, state.startedMs + pauseMs(failures, policy.backoffSeconds, random));
  const { burst, intervalSeconds } = policy.startLimit;
  const recent = state.starts.filter((at) => at > dueMs - intervalSeconds * 1000);
  const after = {
    isFailure,
    health,
    failures,
    isAutomatic: true,
    lastEnd: reason,
    upMs: null,
    watchdogDueMs: null,
  };
  if (recent.length >= burst)
    return enter(state, "failed", nowMs, {
      ...after,
      reason: `it was restarted ${burst} times within ${intervalSeconds} s; the last time ${reason}`,
    });
  return dueMs <= nowMs
    ? enter(state, "waiting", nowMs, { ...after, reason })
    : enter(state, "backoff", nowMs, { ...after, reason, dueMs });
}

function reasonOf({ rc, signal }: Pick<ServiceState, "rc" | "signal">): string {
  if (signal !== null) return `it died of ${signal}`;
  return rc === null ? "it ended with an exit code that nobody saw" : `it ended with exit code ${rc}`;
}
