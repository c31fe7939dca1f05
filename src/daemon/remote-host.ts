import { AuroraError } from "../errors.ts";
import { type HostedService, type ServiceHost } from "../lifecycle/service-host.ts";
import { type HomePaths } from "../system/home.ts";
import { type SupervisedService } from "./api-schema.ts";
import { callDaemon, findDaemon, HangingDaemon, NoDaemon } from "./client.ts";
import { startDaemon, type StartDaemonOptions } from "./start-daemon.ts";

/** A daemon may be just ending for want of anything to do: then another one is started. */
const TRIES = 3;
/** A start may take as long as its manifest says: so often it is looked meanwhile whether the daemon lives, in milliseconds. */
const LOOK_MS = 5000;

/** The home's daemon as the host of its services, for a command: it is started where none listens. */
export function remoteHost(options: Omit<StartDaemonOptions, "signal">): ServiceHost {
  const call = async (path: string, body: Record<string, unknown>, signal: AbortSignal, atOnce = false) => {
    for (let tries = 1; ; tries++) {
      try {
        return await callDaemon(options.paths, "POST", path, { body, signal, atOnce });
      } catch (thrown) {
        if (!(thrown instanceof NoDaemon) || tries === TRIES) throw thrown;
      }
      await startDaemon({ ...options, signal });
    }
  };
  return {
    start: async (packId, generation, signal) =>
      await whileItAnswers(options.paths, signal, async (both) =>
        hosted(await call(`/v1/services/${packId}/start`, { generation }, both)),
      ),
    vouch: async (packId, generation) => {
      const { signal } = new AbortController();
      return hosted(await call(`/v1/services/${packId}/vouch`, { generation }, signal, true));
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

/** Does something that may take long, until the daemon that does it hangs. */
async function whileItAnswers<T>(
  paths: HomePaths,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  let hanging: HangingDaemon | undefined;
  const gaveUp = new AbortController();
  const looking = setInterval(() => {
    findDaemon(paths, signal).catch((thrown: unknown) => {
      if (!(thrown instanceof HangingDaemon)) return;
      hanging = thrown;
      gaveUp.abort();
    });
  }, LOOK_MS);
  try {
    return await work(AbortSignal.any([signal, gaveUp.signal]));
  } catch (thrown) {
    throw hanging ?? thrown;
  } finally {
    clearInterval(looking);
  }
}

function hosted(answer: unknown): HostedService {
  const { state, health, pid, exit_code, reason } = answer as SupervisedService;
  return { state, health, pid, exit_code, reason };
}
