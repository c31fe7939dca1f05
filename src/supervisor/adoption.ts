import { KILL_AGAIN_MS, nextService, type Step } from "./service-machine.ts";
import { type ServicePolicy } from "./service-spec.ts";
import { hasProcess, initialState, isAtRest, type ServiceState } from "./service-state.ts";

/** What a new daemon finds of a service that an earlier one has recorded. */
export type Found = {
  /** Somebody wants it to run. */
  isWanted: boolean;
  /** The record speaks of this boot. */
  isSameBoot: boolean;
  /** The same generation is wanted as the one that was started. */
  isSameGeneration: boolean;
  /** Its first process lives. */
  hasLeader: boolean;
  /** Other processes of it live. */
  hasOthers: boolean;
  /** Whether a first process was ever recorded. */
  wasSpawned: boolean;
};

/**
 * How a service goes on under a new daemon: from where it was, as if only time had passed. What runs is watched on; what
 * ended meanwhile has ended now, with an exit code that nobody saw; what was to be stopped is stopped. Pure.
 */
export function adoptService(
  recorded: ServiceState,
  found: Found,
  policy: ServicePolicy,
  nowMs: number,
  random: number,
): Step {
  const step = (state: ServiceState, event: Parameters<typeof nextService>[1]) =>
    nextService(state, event, policy, nowMs, random);
  const start = (state: ServiceState) =>
    step({ ...initialState, rc: state.rc, signal: state.signal }, { type: "start" });
  const { isWanted, isSameBoot, isSameGeneration, hasLeader, hasOthers, wasSpawned } = found;

  if (!isSameBoot) return isWanted ? start(recorded) : { state: atRest(recorded), actions: [] };
  // Somebody wanted it otherwise than it was: it was to rest or to start anew, and is wanted now.
  const isToStartAnew = hasProcess(recorded) && (!isSameGeneration || recorded.next !== "judge");
  if (hasLeader) {
    const { state, actions } = resume(recorded, policy, nowMs, random);
    if (isWanted && !isToStartAnew) return { state, actions };
    return after(actions, step(state, { type: isWanted ? "restart" : "stop" }));
  }
  if (hasOthers) {
    const running: ServiceState = { ...recorded, phase: "running", isProbing: false };
    const { state, actions } = step(running, { type: "exited", rc: null, signal: null, isGone: false });
    if (isWanted && !isToStartAnew) return { state, actions };
    return after(actions, step(state, { type: isWanted ? "restart" : "stop" }));
  }
  if (!isWanted) return { state: atRest(recorded), actions: [] };
  if (recorded.phase === "stopped" || !isSameGeneration || isToStartAnew) return start(recorded);
  // The operator's start was recorded, and nothing is there of it: it is made, or made again. An automatic one counts as made.
  if (recorded.phase === "starting" && !wasSpawned && !recorded.isAutomatic)
    return { state: { ...recorded, phase: "waiting", dueMs: null, isProbing: false }, actions: [] };
  if (!hasProcess(recorded)) return { state: recorded, actions: [] };
  const running: ServiceState = { ...recorded, phase: "running", isProbing: false };
  return step(running, { type: "exited", rc: null, signal: null, isGone: true });
}

/** Watches a service on. One that was not ready yet may have said so while nobody listened, so that is taken to be the case. */
function resume(recorded: ServiceState, policy: ServicePolicy, nowMs: number, random: number): Step {
  const state: ServiceState = { ...recorded, isProbing: false };
  if (recorded.phase === "stopping")
    return { state: { ...state, dueMs: nowMs + policy.stopTimeoutSeconds * 1000 }, actions: ["signal"] };
  if (recorded.phase === "killing")
    return { state: { ...state, dueMs: nowMs + KILL_AGAIN_MS }, actions: ["kill"] };
  if (recorded.phase !== "running")
    return nextService(
      { ...state, phase: "starting", next: "judge" },
      { type: "ready" },
      policy,
      nowMs,
      random,
    );
  const isChecked = policy.health !== null && policy.health.watchSeconds > 0;
  const probeDueMs = isChecked ? nowMs : null;
  const watchdogDueMs = recorded.watchdogMs === null ? null : nowMs + recorded.watchdogMs;
  return { state: { ...state, probeDueMs, watchdogDueMs }, actions: [] };
}

function atRest(recorded: ServiceState): ServiceState {
  if (isAtRest(recorded)) return recorded;
  const { rc, signal, restarts, sinceMs } = recorded;
  return { ...initialState, rc, signal, restarts, sinceMs };
}

function after(actions: Step["actions"], step: Step): Step {
  return { state: step.state, actions: [...actions, ...step.actions] };
}
