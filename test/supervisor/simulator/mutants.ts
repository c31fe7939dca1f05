import type { ServiceEvent, Step } from "../../../src/supervisor/service-machine.ts";
import type { ServicePolicy } from "../../../src/supervisor/service-spec.ts";
import {
  hasProcess,
  initialState,
  isAtRest,
  type ServiceState,
} from "../../../src/supervisor/service-state.ts";
import { realRules, type Rules } from "./rules.ts";

/** A mistake that somebody could make, and the message of the invariant that has to notice it. */
export type Mutant = { name: string; rules: Rules; caughtBy: RegExp };

/** The step that would be right, and what went in; returns the wrong one, or undefined where the right one stays. */
type Mistake = (
  state: ServiceState,
  event: ServiceEvent,
  right: Step,
  now: { policy: ServicePolicy; nowMs: number; again: (state: ServiceState, event: ServiceEvent) => Step },
) => Step | undefined;

function wrongStep(name: string, caughtBy: RegExp, mistake: Mistake): Mutant {
  const next: Rules["next"] = (state, event, policy, nowMs, random) => {
    const again = (other: ServiceState, otherEvent: ServiceEvent) =>
      realRules.next(other, otherEvent, policy, nowMs, random);
    const right = again(state, event);
    return mistake(state, event, right, { policy, nowMs, again }) ?? right;
  };
  return { name, caughtBy, rules: { ...realRules, next } };
}

function wrongPolicy(
  name: string,
  caughtBy: RegExp,
  change: (policy: ServicePolicy) => Partial<ServicePolicy>,
): Mutant {
  const next: Rules["next"] = (state, event, policy, nowMs, random) =>
    realRules.next(state, event, { ...policy, ...change(policy) }, nowMs, random);
  return { name, caughtBy, rules: { ...realRules, next } };
}

type Adopt = Rules["adopt"];
function wrongAdoption(
  name: string,
  caughtBy: RegExp,
  adopt: (...args: Parameters<Adopt>) => ReturnType<Adopt>,
): Mutant {
  return { name, caughtBy, rules: { ...realRules, adopt } };
}

const unchanged = (state: ServiceState): Step => ({ state, actions: [] });
const entered = (before: ServiceState, { state }: Step, phase: ServiceState["phase"]) =>
  before.phase !== phase && state.phase === phase;

export const mutants: Mutant[] = [
  wrongStep(
    "what the first process left behind is not waited for",
    /two instances/,
    (state, event, _, { again }) =>
      event.type === "exited" && !event.isGone ? again(state, { ...event, isGone: true }) : undefined,
  ),
  wrongStep(
    "a start does not wait for the end of what is stopping",
    /two instances|forgotten/,
    (state, event, _, { again }) =>
      event.type === "start" && state.phase === "stopping" ? again(initialState, event) : undefined,
  ),
  wrongStep(
    "a stop counts as done when the signal is sent",
    /forgotten|though it is stopped|two instances/,
    (state, event, right) =>
      event.type === "stop" && entered(state, right, "stopping")
        ? { state: { ...right.state, phase: "stopped", dueMs: null }, actions: right.actions }
        : undefined,
  ),
  wrongStep("a stop is not heard during a pause", /though nobody wants it/, (state, event) =>
    event.type === "stop" && state.phase === "backoff"
      ? { state: { ...state, reason: "deaf" }, actions: [] }
      : undefined,
  ),
  wrongStep("an automatic start is not counted", /too often/, (state, event, right) =>
    event.type === "dependencies" && entered(state, right, "starting")
      ? { ...right, state: { ...right.state, starts: [] } }
      : undefined,
  ),
  wrongPolicy("there is no pause", /too soon/, () => ({ backoffSeconds: [0, 0] })),
  wrongPolicy("the start limit counts one more", /too often/, ({ startLimit }) => ({
    startLimit: { ...startLimit, burst: startLimit.burst + 1 },
  })),
  wrongStep("a long good run does not end the doubling", /waits long/, (state, event, _, { again }) =>
    event.type === "exited" && state.upMs !== null
      ? again({ ...state, upMs: null, failures: 5 }, event)
      : undefined,
  ),
  wrongStep(
    "the start limit also holds for the operator",
    /operator's start of .* is not made/,
    (state, event) => (event.type === "start" && state.phase === "failed" ? unchanged(state) : undefined),
  ),
  wrongStep("the time to stop never ends", /stuck/, (state, event) =>
    event.type === "due" && state.phase === "stopping" ? unchanged(state) : undefined,
  ),
  wrongStep("SIGKILL comes with the signal", /killed before its time/, (state, _, right) =>
    entered(state, right, "stopping") ? { ...right, actions: [...right.actions, "kill"] } : undefined,
  ),
  wrongStep("SIGKILL is sent once", /stuck/, (state, event) =>
    event.type === "due" && state.phase === "killing" ? unchanged(state) : undefined,
  ),
  wrongPolicy("on-failure restarts what ended well", /against its policy/, ({ restart }) => ({
    restart: restart === "on-failure" ? "always" : restart,
  })),
  wrongPolicy("no restarts what failed", /against its policy/, ({ restart }) => ({
    restart: restart === "no" ? "on-failure" : restart,
  })),
  wrongStep(
    "a failed check of the gate is taken for an end that went well",
    /counts as well/,
    (_, __, right) =>
      right.state.phase === "failed" ? { ...right, state: { ...right.state, phase: "exited" } } : undefined,
  ),
  wrongStep("dependencies are not waited for", /before .* is healthy/, (state, event, right, { again }) =>
    event.type === "start" && entered(state, right, "waiting")
      ? again(right.state, { type: "dependencies" })
      : undefined,
  ),
  wrongStep("ready counts as healthy", /checks have not passed/, (state, event, right) =>
    event.type === "ready" && entered(state, right, "checking")
      ? {
          state: { ...right.state, phase: "running", dueMs: null, gate: null, isProbing: false },
          actions: [],
        }
      : undefined,
  ),
  wrongStep("an unanswered watchdog changes nothing", /stuck/, (state, event, right) =>
    event.type === "due" && state.watchdogDueMs !== null && entered(state, right, "stopping")
      ? unchanged(state)
      : undefined,
  ),
  wrongStep("a sign of life has a second check made while one runs", /two checks/, (_, event, right) =>
    event.type === "alive" && right.state.isProbing ? { ...right, actions: ["probe"] } : undefined,
  ),
  wrongStep("the time to be ready never ends", /stuck/, (state, event) =>
    event.type === "due" && state.phase === "starting" ? unchanged(state) : undefined,
  ),
  wrongAdoption("what runs is taken for dead", /two instances|forgotten/, (state, found, ...rest) =>
    realRules.adopt(state, { ...found, hasLeader: false, hasOthers: false }, ...rest),
  ),
  wrongAdoption(
    "what the first process left behind is not looked for",
    /two instances|forgotten/,
    (state, found, ...rest) => realRules.adopt(state, { ...found, hasOthers: false }, ...rest),
  ),
  wrongAdoption(
    "what nobody wants runs on",
    /though nobody wants it|though it is stopped/,
    (state, found, ...rest) => realRules.adopt(state, { ...found, isWanted: true }, ...rest),
  ),
  wrongAdoption("the restarts are counted from 0", /restarts of .* are forgotten/, (...args) => {
    const step = realRules.adopt(...args);
    return { ...step, state: { ...step.state, restarts: 0 } };
  }),
  wrongAdoption("what was given up is tried again", /nobody asked for it/, (state, found, ...rest) =>
    realRules.adopt(state.phase === "failed" ? { ...state, phase: "stopped" } : state, found, ...rest),
  ),
  wrongAdoption(
    "what was wanted meanwhile is not started",
    /is wanted and does not run/,
    (state, found, ...rest) => (isAtRest(state) ? unchanged(state) : realRules.adopt(state, found, ...rest)),
  ),
  wrongAdoption(
    "what was being stopped is taken to have stopped",
    /forgotten|though it is stopped|two instances/,
    (state, found, ...rest) =>
      hasProcess(state) && state.phase === "stopping"
        ? unchanged({ ...initialState, restarts: state.restarts })
        : realRules.adopt(state, found, ...rest),
  ),
];
