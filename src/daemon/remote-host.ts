import { type HostedService, type ServiceHost } from "../lifecycle/service-host.ts";
import { type SupervisedService } from "./api-schema.ts";
import { callDaemon, NoDaemon } from "./client.ts";
import { startDaemon, type StartDaemonOptions } from "./start-daemon.ts";

/** A daemon may be just ending for want of anything to do: then another one is started. */
const TRIES = 3;

/** The home's daemon as the host of its services, for a command: it is started where none listens. */
export function remoteHost(options: StartDaemonOptions): ServiceHost {
  const call = async (packId: string, action: "start" | "stop", body: Record<string, unknown>) => {
    for (let tries = 1; ; tries++) {
      try {
        return await callDaemon(options.paths, "POST", `/v1/services/${packId}/${action}`, { body });
      } catch (thrown) {
        if (!(thrown instanceof NoDaemon) || tries === TRIES) throw thrown;
      }
      await startDaemon(options);
    }
  };
  return {
    start: async (packId, generation): Promise<HostedService> => {
      const { state, health, pid, exit_code, reason } = (await call(packId, "start", {
        generation,
      })) as SupervisedService;
      return { state, health, pid, exit_code, reason };
    },
    stop: async (packId) => {
      await call(packId, "stop", {});
    },
  };
}
