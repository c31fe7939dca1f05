import { type GateConfig } from "../process/health-gate.ts";
import { alike } from "./alike.ts";

/** So long after the first SIGKILL a stop counts as failed, though it is tried on. */
export const KILL_TIMEOUT_MS = 5000;

/** What the state machine has to know of a service: times and policies, and nothing of processes. */
export type ServicePolicy = {
  /** `simple` is ready when it runs; `notify` when it says READY=1 on `$NOTIFY_SOCKET`. */
  type: "simple" | "notify";
  restart: "always" | "on-failure" | "no";
  /** From one start to the next: at least the first, doubled with each failure in a row, at most the second. */
  backoffSeconds: readonly [least: number, most: number];
  /** More automatic starts within the interval are not made. A start by the operator always is. */
  startLimit: { burst: number; intervalSeconds: number };
  /** A `notify` service has to be ready by then. */
  startTimeoutSeconds: number;
  /** From the stop signal to SIGKILL. */
  stopTimeoutSeconds: number;
  /** Where the service has a health check: the clocks of the gate after a start, and the pause between checks after that. */
  health: { gate: GateConfig; watchSeconds: number } | null;
  /** A `notify` service has to say WATCHDOG=1 at least this often. */
  watchdogSeconds: number | null;
};

/** One check of a service's health. It settles soon after its signal aborts. */
type Probe = (signal: AbortSignal) => Promise<{ healthy: boolean; output: string }>;

/** All that is needed to start a service, again and again. */
export type ServiceSpec = {
  packId: string;
  generation: number;
  type: "simple" | "notify";
  argv: readonly string[];
  cwd: string;
  /**
   * The complete environment, asked for with each start; the supervisor adds `AURORA_SERVICE` and for `notify` what sd_notify(3)
   * needs.
   */
  env: () => Readonly<Record<string, string>>;
  restart: ServicePolicy["restart"];
  backoffSeconds: readonly [number, number];
  startLimit: { burst: number; intervalSeconds: number };
  stopSignal: NodeJS.Signals;
  stopTimeoutSeconds: number;
  /** Runs before the stop signal, for example the pack's stop entrypoint. The time to stop counts from before it. */
  beforeStop?: ((signal: AbortSignal) => Promise<void>) | undefined;
  startTimeoutSeconds: number;
  watchdogSeconds?: number;
  health: Readonly<{ config: GateConfig; watchSeconds: number }>;
  /** Null where it has no health check. */
  probe: Probe | null;
  /** Packs that have to be healthy before this one starts. */
  dependencies: readonly string[];
  logDirectory: string;
};

/** Those of services that are alike are one. */
export function policyOf(spec: ServiceSpec): ServicePolicy {
  const { config: gate, watchSeconds } = spec.health;
  return alike({
    type: spec.type,
    restart: spec.restart,
    backoffSeconds: spec.backoffSeconds,
    startLimit: spec.startLimit,
    startTimeoutSeconds: spec.startTimeoutSeconds,
    stopTimeoutSeconds: spec.stopTimeoutSeconds,
    health: spec.probe === null ? null : { gate, watchSeconds },
    watchdogSeconds: spec.watchdogSeconds ?? null,
  });
}

/** How a service is ended of which nothing but a record is left. It cannot be started. */
export function unknownSpec({ packId, generation, logDirectory }: ServiceOrigin): ServiceSpec {
  return {
    packId,
    generation,
    type: "simple",
    argv: [],
    cwd: "/",
    env: () => ({}),
    restart: "no",
    backoffSeconds: [1, 1],
    startLimit: { burst: 1, intervalSeconds: 1 },
    stopSignal: "SIGTERM",
    stopTimeoutSeconds: 10,
    startTimeoutSeconds: 1,
    health: {
      config: { grace_seconds: 0, interval_seconds: 1, passes: 1, deadline_seconds: 1, soak_seconds: 0 },
      watchSeconds: 0,
    },
    probe: null,
    dependencies: [],
    logDirectory,
  };
}

type ServiceOrigin = Pick<ServiceSpec, "packId" | "generation" | "logDirectory">;

/** The longest that a stop and a start may take, dependencies aside. */
export function timeToRestartMs({ startTimeoutSeconds, stopTimeoutSeconds }: ServiceSpec): number {
  return (startTimeoutSeconds + stopTimeoutSeconds) * 1000 + KILL_TIMEOUT_MS;
}
