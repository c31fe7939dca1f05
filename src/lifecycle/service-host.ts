import { type Manifest } from "../manifest/schema.ts";
import { type Health, type ServiceState } from "../registry/services.ts";

/** How a supervised service is after it was asked to start or stop. */
export type HostedService = {
  state: ServiceState;
  health: Health;
  pid: number | null;
  exit_code: number | null;
  /** Why it does not run, where it was to. */
  reason: string | null;
};

/**
 * Whoever runs services of the types `simple` and `notify`: the daemon, or what asks it. What is wanted stands in the
 * registry before it is asked; so it does the same when it is asked again, or when another daemon takes its place.
 */
export type ServiceHost = {
  /**
   * Runs the wanted service; returns when it is ready or has failed.
   *
   * @throws {AuroraError} `interrupted` when `signal` aborts; the service may come up all the same
   */
  start: (packId: string, generation: number, signal: AbortSignal) => Promise<HostedService>;
  /**
   * Tells it that the service was found healthy by the gate that its manifest describes: it need not find that out again.
   *
   * @returns how it is: what was found healthy may have been something else that listens on its port
   */
  vouch: (packId: string, generation: number) => Promise<HostedService>;
  /**
   * Stops it with all its processes.
   *
   * @param timeoutMs the host has failed where it takes longer
   */
  stop: (packId: string, timeoutMs: number) => Promise<void>;
};

/**
 * One that ended by itself with 0 has done what it was there for. One that is starting is being checked, unless there is a reason
 * why it is not up: it was not ready in time, or what it depends on is not healthy.
 */
export function hasStarted({ state, exit_code: exitCode, reason }: HostedService): boolean {
  if (state === "starting") return reason === null;
  return state === "running" || (state === "exited" && exitCode === 0);
}

/** Whether a pack's start stays in the foreground, and so needs somebody who watches it. */
export function isHosted({ pack: { service, entrypoint } }: Manifest): boolean {
  return service.type !== "oneshot" && entrypoint.start !== null;
}
