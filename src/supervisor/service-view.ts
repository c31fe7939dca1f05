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
  /** What it says of itself by STATUS=. */
  statusText: string | null;
  /** When it starts again, in `backoff`. */
  nextStartAt: Date | null;
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

export function exitCodeOf({ rc, signal }: Pick<ServiceState, "rc" | "signal">): number | null {
  return signal === null ? rc : 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
