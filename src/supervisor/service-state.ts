import { type GateState } from "../process/health-gate.ts";

export type Phase =
  /** Nothing of it runs, and nothing will until somebody starts it. */
  | "stopped"
  /** It ended by itself with exit code 0, and its policy leaves it at that. */
  | "exited"
  /** It failed, and its policy or its start limit leaves it at that. */
  | "failed"
  /** It is to start as soon as what it depends on is healthy. */
  | "waiting"
  /** It failed, and starts again when `dueMs` has come. */
  | "backoff"
  /** Its process is being started, or has not said yet that it is ready. */
  | "starting"
  /** It is ready, and its health gate is not decided yet. */
  | "checking"
  /** It runs, and is watched. */
  | "running"
  /** It was told to end; `dueMs` is when it gets SIGKILL. */
  | "stopping"
  /** It got SIGKILL, and gets it again until nothing is left. */
  | "killing";

/** Plain data, as it is kept in the record. Times are milliseconds on a clock that only goes forward within one boot. */
export type ServiceState = {
  readonly phase: Phase;
  readonly sinceMs: number;
  /** When the phase has lasted long enough; null for no such moment. */
  readonly dueMs: number | null;
  /** What follows when nothing of it is left: rest, a start by the operator, or what the policy says of its end. */
  readonly next: "rest" | "start" | "judge";
  /** How the last run ended; null while none has, and where nobody saw the end. */
  readonly rc: number | null;
  readonly signal: string | null;
  /** The run that ends has failed, whatever its exit code will be. */
  readonly isFailure: boolean;
  /** Why it is in this phase, in words, where that is not what somebody asked for. */
  readonly reason: string | null;
  /** Why the last run ended that nobody asked to end; null while there is none since the operator's start. */
  readonly lastEnd: string | null;
  readonly startedMs: number;
  /** When it became ready or healthy; null before that. */
  readonly upMs: number | null;
  /** The start that comes was not asked for by the operator. */
  readonly isAutomatic: boolean;
  /** Automatic starts since the operator's. */
  readonly restarts: number;
  /** Failures in a row. */
  readonly failures: number;
  /** When automatic starts were made, as far back as the start limit looks. */
  readonly starts: readonly number[];
  readonly health: "healthy" | "unhealthy" | "unknown";
  readonly gate: GateState | null;
  /** A check is being made. */
  readonly isProbing: boolean;
  readonly probeDueMs: number | null;
  readonly failedProbes: number;
  /** What the last check has said while the gate is not decided, where it failed. */
  readonly failedCheck: string | null;
  /** What the service has to keep to; null for no watchdog. */
  readonly watchdogMs: number | null;
  readonly watchdogDueMs: number | null;
};

export const initialState: ServiceState = {
  phase: "stopped",
  sinceMs: 0,
  dueMs: null,
  next: "rest",
  rc: null,
  signal: null,
  isFailure: false,
  reason: null,
  lastEnd: null,
  startedMs: 0,
  upMs: null,
  isAutomatic: false,
  restarts: 0,
  failures: 0,
  starts: [],
  health: "unknown",
  gate: null,
  isProbing: false,
  probeDueMs: null,
  failedProbes: 0,
  failedCheck: null,
  watchdogMs: null,
  watchdogDueMs: null,
};

/** The next moment at which something is due, Infinity for none. */
export function nextDueMs({ dueMs, probeDueMs, watchdogDueMs }: ServiceState): number {
  return Math.min(dueMs ?? Infinity, probeDueMs ?? Infinity, watchdogDueMs ?? Infinity);
}

/** In these phases there is a process, or there may be one. */
export function hasProcess({ phase }: ServiceState): boolean {
  return (
    phase === "starting" ||
    phase === "checking" ||
    phase === "running" ||
    phase === "stopping" ||
    phase === "killing"
  );
}

/** Whoever depends on it may start. */
export function isUp({ phase, health }: ServiceState): boolean {
  return phase === "running" && health !== "unhealthy";
}

/** Nothing of it runs, and without the operator nothing will. */
export function isAtRest({ phase }: ServiceState): boolean {
  return phase === "stopped" || phase === "exited" || phase === "failed";
}

/**
 * A start that was asked for has come to something: it is up, at rest, or has failed and is tried again.
 *
 * @param failures so many there were in a row when it was asked for
 */
export function isStartDecided(state: ServiceState, failures: number): boolean {
  const { phase } = state;
  if (phase === "stopping" || phase === "killing") return false;
  if (phase !== "waiting" && phase !== "starting") return true;
  return state.failures > 0 && state.failures !== failures;
}
