import { nextService, type ServiceAction } from "./service-machine.ts";
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
): { state: ServiceState; actions: readonly ServiceAction[] } {
  const step = (state: ServiceState, event: Parameters<typeof nextService>[1]) =>
    nextService(state, event, policy, nowMs, random);
  const start = (state: ServiceState) =>
    step({ ...initialState, rc: state.rc, signal: state.signal }, { type: "start" });
  const { isWanted, isSameBoot, isSameGeneration, hasLeader, hasOthers, wasSpawned } = found;

  if (!isSameBoot) return isWanted ? start(recorded) : { state: atRest(recorded), actions: [] };
  if (hasLeader) {
    const { state, actions } = resume(recorded, policy, nowMs, random);
    if (!isWanted || recorded.next === "rest") return after(actions, step(state, { type: "stop" }));
    if (!isSameGeneration || recorded.next === "start")
      return after(actions, step(state, { type: "restart" }));
    return { state, actions };
  }
  if (hasOthers) {
    const running: ServiceState = { ...recorded, phase: "running", isProbing: false };
    const ended = step(running, { type: "exited", rc: null, signal: null, isGone: false });
    return isWanted && recorded.next !== "rest"
      ? ended
      : after(ended.actions, step(ended.state, { type: "stop" }));
  }
  if (!isWanted) return { state: atRest(recorded), actions: [] };
  if (isAtRest(recorded))
    return recorded.phase === "stopped" ? start(recorded) : { state: recorded, actions: [] };
  if (!isSameGeneration || recorded.next === "start") return start(recorded);
  // It was about to be started, and was not.
  if (recorded.phase === "starting" && !wasSpawned)
    return { state: { ...recorded, phase: "waiting", dueMs: null, isProbing: false }, actions: [] };
  if (!hasProcess(recorded)) return { state: recorded, actions: [] };
  if (recorded.next === "rest") return { state: atRest(recorded), actions: [] };
  return step(
    { ...recorded, phase: "running", isProbing: false },
    { type: "exited", rc: null, signal: null, isGone: true },
  );
}

/** Watches a service on. One that was not ready yet may have said so while nobody listened, so that is taken to be the case. */
function resume(recorded: ServiceState, policy: ServicePolicy, nowMs: number, random: number) {
  const state: ServiceState = { ...recorded, isProbing: false };
  if (recorded.phase === "running" || recorded.phase === "stopping" || recorded.phase === "killing") {
    const { health } = policy;
    const isChecked = health !== null && health.watchSeconds > 0;
    const resumed: ServiceState = {
      ...state,
      phase: "running",
      dueMs: null,
      upMs: recorded.upMs ?? nowMs,
      probeDueMs: isChecked ? nowMs : null,
      watchdogDueMs: recorded.watchdogMs === null ? null : nowMs + recorded.watchdogMs,
      next: "judge",
    };
    return { state: resumed, actions: [] as readonly ServiceAction[] };
  }
  return nextService(
    { ...state, phase: "starting", next: "judge" },
    { type: "ready" },
    policy,
    nowMs,
    random,
  );
}

function atRest(recorded: ServiceState): ServiceState {
  if (isAtRest(recorded)) return recorded;
  const { rc, signal, restarts, sinceMs } = recorded;
  return { ...initialState, rc, signal, restarts, sinceMs };
}

function after(
  actions: readonly ServiceAction[],
  step: { state: ServiceState; actions: readonly ServiceAction[] },
): { state: ServiceState; actions: readonly ServiceAction[] } {
  return { state: step.state, actions: [...actions, ...step.actions] };
}
