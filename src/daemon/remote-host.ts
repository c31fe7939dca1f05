import { AuroraError } from "../errors.ts";
import { type HostedService, type ServiceHost } from "../lifecycle/service-host.ts";
import { type SupervisedService } from "./api-schema.ts";
import { callDaemon, NoDaemon } from "./client.ts";
import { startDaemon, type StartDaemonOptions } from "./start-daemon.ts";

/** A daemon may be just ending for want of anything to do: then another one is started. */
const TRIES = 3;
/** It only has to note it. */
const VOUCH_TIMEOUT_MS = 10_000;

/** The home's daemon as the host of its services, for a command: it is started where none listens. */
export function remoteHost(options: Omit<StartDaemonOptions, "signal">): ServiceHost {
  const call = async (path: string, body: Record<string, unknown>, signal: AbortSignal) => {
    for (let tries = 1; ; tries++) {
      try {
        return await callDaemon(options.paths, "POST", path, { body, signal });
      } catch (thrown) {
        if (!(thrown instanceof NoDaemon) || tries === TRIES) throw thrown;
      }
      await startDaemon({ ...options, signal });
    }
  };
  return {
    start: async (packId, generation, signal) =>
      hosted(await call(`/v1/services/${packId}/start`, { generation }, signal)),
    vouch: async (packId, generation) => {
      const signal = AbortSignal.timeout(VOUCH_TIMEOUT_MS);
      return hosted(await call(`/v1/services/${packId}/vouch`, { generation }, signal));
    },
    stop: async (packId, timeoutMs) => {
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        await call(`/v1/services/${packId}/stop`, {}, signal);
      } catch (thrown) {
        if (!signal.aborted) throw thrown;
        throw new AuroraError("timed-out", `cannot stop "${packId}": the daemon does not answer`, {
          hint: "aurora daemon status shows it; with --no-daemon the service is stopped without it",
        });
      }
    },
  };
}

function hosted(answer: unknown): HostedService {
  const { state, health, pid, exit_code, reason } = answer as SupervisedService;
  return { state, health, pid, exit_code, reason };
}
