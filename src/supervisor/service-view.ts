import { constants } from "node:os";

import { type ServiceState } from "./service-state.ts";

/** How a service is, for people and programs. */
export type ServiceView = {
  packId: string;
  generation: number;
  state: "starting" | "running" | "stopping" | "stopped" | "exited" | "failed" | "backoff";
  health: ServiceState["health"];
  /** Its first process. */
  pid: number | null;
  /** When it came into its state. */
  since: Date;
  /** Automatic starts since the operator's. */
  restarts: number;
  /** Of the last run; 128 and the signal's number where it died of one. */
  exitCode: number | null;
  /** Why it is in this state, where nobody asked for it. */
  reason: string | null;
  /** Why the last run ended that nobody asked to end, also when it runs again. */
  lastEnd: string | null;
  /** While it is being checked: what the last check has said, where it failed. */
  failedCheck: string | null;
  /** What it says of itself by STATUS=. */
  statusText: string | null;
  /** When it starts again, in `backoff`. */
  nextStartAt: Date | null;
  /** The mark of its processes; empty while it was never started. */
  serviceId: string;
};

/** The words of the phases that people see. */
export const shownState: Readonly<Record<ServiceState["phase"], ServiceView["state"]>> = {
  stopped: "stopped",
  exited: "exited",
  failed: "failed",
  waiting: "starting",
  backoff: "backoff",
  starting: "starting",
  checking: "starting",
  running: "running",
  stopping: "stopping",
  killing: "stopping",
};

/** What there is of a service besides its state. */
type Shown = {
  spec: { packId: string; generation: number };
  leader: { pid: number } | null;
  /** On the wall clock. */
  sinceMs: number;
  statusText: string | null;
  serviceId: string;
};

/** @param missing what it waits for */
export function viewOf(
  { spec, leader, sinceMs, statusText, serviceId }: Shown,
  state: ServiceState,
  missing: readonly string[],
  nowMs: number,
): ServiceView {
  const { phase, health, restarts, dueMs } = state;
  // A record of an earlier version has none.
  const lastEnd = state.lastEnd ?? null;
  // What is started again has a reason until it is up.
  const reason = phase === "starting" ? lastEnd : state.reason;
  const isDelayed = phase === "backoff" && dueMs !== null;
  return {
    packId: spec.packId,
    generation: spec.generation,
    state: shownState[phase],
    health,
    pid: leader?.pid ?? null,
    since: new Date(sinceMs),
    restarts,
    exitCode: exitCodeOf(state),
    reason: missing.length > 0 ? `it waits for "${missing.join('", "')}" to be healthy` : reason,
    lastEnd,
    // A record of an earlier version has none.
    failedCheck: state.failedCheck ?? null,
    statusText,
    nextStartAt: isDelayed ? new Date(Date.now() + dueMs - nowMs) : null,
    serviceId,
  };
}

function exitCodeOf({ rc, signal }: ServiceState): number | null {
  return signal === null ? rc : 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
