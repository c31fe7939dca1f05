import { JITTER, STABLE_MS } from "../../../src/supervisor/backoff.ts";
import { isAtRest, nextDueMs, type ServiceState } from "../../../src/supervisor/service-state.ts";
import { Violation } from "./rules.ts";
import type { SimulatedService } from "./services.ts";

/** Clocks are compared in floating point. */
const SLACK_MS = 0.001;

type Known = {
  /** When it was started without the operator, since the operator last did. */
  automaticStarts: number[];
  lastStartMs: number | null;
  /** Since when it is to end. */
  endingSinceMs: number | null;
  /** How many of the operator's starts may still come. */
  startsDue: number;
  passedChecks: number;
};

/** What must hold in every history, told what happens as it happens. */
export class Invariants {
  readonly #services: Map<string, SimulatedService>;
  readonly #known = new Map<string, Known>();

  constructor(services: readonly SimulatedService[]) {
    this.#services = new Map(services.map((service) => [service.packId, service]));
    for (const { packId } of services)
      this.#known.set(packId, {
        automaticStarts: [],
        lastStartMs: null,
        endingSinceMs: null,
        startsDue: 0,
        passedChecks: 0,
      });
  }

  operatorStarts(packId: string): void {
    this.#of(packId).known.startsDue++;
  }

  startsDue(packId: string): number {
    return this.#of(packId).known.startsDue;
  }

  checkPassed(packId: string): void {
    this.#of(packId).known.passedChecks++;
  }

  rebooted(): void {
    for (const known of this.#known.values()) {
      Object.assign(known, {
        automaticStarts: [],
        lastStartMs: null,
        endingSinceMs: null,
        startsDue: known.startsDue + 1,
      });
    }
  }

  spawned(packId: string, state: ServiceState, missing: readonly string[], nowMs: number): void {
    const { known, policy } = this.#of(packId);
    if (missing.length > 0) throw new Violation(`"${packId}" starts before "${missing[0]}" is healthy`);
    if (state.isAutomatic) {
      if (policy.restart === "no") throw new Violation(`"${packId}" is restarted against its policy`);
      const { burst, intervalSeconds } = policy.startLimit;
      const recent = known.automaticStarts.filter((at) => at > nowMs - intervalSeconds * 1000 + SLACK_MS);
      if (recent.length >= burst) throw new Violation(`"${packId}" is restarted too often`);
      known.automaticStarts = [...recent, nowMs];
      const least = policy.backoffSeconds[0] * 1000 * (1 - JITTER);
      if (known.lastStartMs !== null && nowMs - known.lastStartMs < least - SLACK_MS)
        throw new Violation(`"${packId}" is restarted too soon`);
    } else {
      if (known.startsDue === 0) throw new Violation(`"${packId}" is started though nobody asked for it`);
      known.automaticStarts = [];
      known.startsDue--;
    }
    known.lastStartMs = nowMs;
    known.passedChecks = 0;
  }

  killed(packId: string, nowMs: number): void {
    const { known, policy } = this.#of(packId);
    const sinceMs = nowMs - (known.endingSinceMs ?? nowMs);
    if (sinceMs < policy.stopTimeoutSeconds * 1000 - SLACK_MS)
      throw new Violation(`"${packId}" is killed before its time to stop is over`);
  }

  changed(packId: string, state: ServiceState, before: ServiceState, nowMs: number): void {
    const { known, policy } = this.#of(packId);
    // Only the operator has it end to start anew.
    if (state.next === "start") known.startsDue = Math.max(1, known.startsDue);
    if (state.phase === before.phase) return;
    if (state.phase === "stopping") known.endingSinceMs = nowMs;
    if (state.phase === "running" && policy.health && known.passedChecks < policy.health.gate.passes)
      throw new Violation(`"${packId}" counts as running though its checks have not passed`);
    const isOver = state.phase === "exited" || state.phase === "failed" || state.phase === "backoff";
    if (isOver) this.#judged(packId, state, before, nowMs);
    if (state.restarts < before.restarts && known.startsDue === 0)
      throw new Violation(`the restarts of "${packId}" are forgotten`);
  }

  /** What a daemon takes over is as the one before has left it, but for what the operator and a reboot have changed. */
  adopted(
    packId: string,
    state: ServiceState,
    recorded: ServiceState,
    { isWanted, isSameBoot }: { isWanted: boolean; isSameBoot: boolean },
    nowMs: number,
  ): void {
    const { known } = this.#of(packId);
    if (state.phase === "stopping") known.endingSinceMs = nowMs;
    // A start that was recorded, and of which nothing is found, may be made again: nobody can tell whether it was made.
    if (recorded.phase === "starting" && state.phase === "waiting") known.startsDue++;
    if (!isSameBoot || !isWanted || known.startsDue > 0) return;
    if (recorded.phase === "failed" && state.phase !== "failed")
      throw new Violation(`"${packId}" is started though nobody asked for it`);
    const isAsked = recorded.next === "start" || recorded.phase === "stopped";
    if (state.restarts < recorded.restarts && !isAsked)
      throw new Violation(`the restarts of "${packId}" are forgotten`);
  }

  #judged(packId: string, state: ServiceState, before: ServiceState, nowMs: number): void {
    const { policy } = this.#of(packId);
    const isClean = state.rc === 0 && !state.isFailure;
    if (isClean && policy.restart === "on-failure" && state.phase === "backoff")
      throw new Violation(`"${packId}" is restarted against its policy`);
    if (!isClean && state.phase === "exited")
      throw new Violation(`"${packId}" has failed and counts as well`);
    const wasStable = before.upMs !== null && nowMs - before.upMs >= STABLE_MS;
    const least = before.startedMs + policy.backoffSeconds[0] * 1000;
    if (state.phase === "backoff" && wasStable && (state.dueMs ?? 0) > Math.max(nowMs, least) + SLACK_MS)
      throw new Violation(`"${packId}" waits long though it was well for long`);
  }

  /** After a timer has rung, nothing is due any more. */
  checkTimes(packId: string, state: ServiceState, nowMs: number): void {
    if (nextDueMs(state) <= nowMs)
      throw new Violation(`stuck: "${packId}" is ${state.phase} beyond its time`);
  }

  /** A start by the operator is made, whatever happened before. */
  checkStart(packId: string, before: ServiceState, after: ServiceState, startsDue: number): void {
    const isResting = isAtRest(before) || before.phase === "backoff";
    const isMade = this.#of(packId).known.startsDue < startsDue || after.phase === "waiting";
    if (isResting && !isMade) throw new Violation(`the operator's start of "${packId}" is not made`);
  }

  #of(packId: string): { known: Known; policy: SimulatedService["policy"] } {
    return {
      known: this.#known.get(packId) as Known,
      policy: (this.#services.get(packId) as SimulatedService).policy,
    };
  }
}
