import { callDaemon, NoDaemon } from "../../daemon/client.ts";
import { daemonHolder } from "../../daemon/daemon-lock.ts";
import { AuroraError } from "../../errors.ts";
import { packStatuses } from "../../lifecycle/pack-status.ts";
import { type HomePaths, homePaths } from "../../system/home.ts";
import { type Context, type Input } from "../command.ts";
import { openForReading } from "../shared/workspace.ts";

type Result = { stopped: boolean; pid: number | null };

/** So long a daemon may take to end, jobs that run included, in milliseconds; stopping services may take longer. */
const END_MS = 20_000;
const END_WITH_SERVICES_MS = 120_000;
const POLL_MS = 10;

export async function run(context: Context, { options }: Input<"services">): Promise<Result> {
  const paths = homePaths(context.home);
  const services = options.services === true;
  let ended = await end(context, paths, services);
  // There was none, or it has died before it was asked.
  if (services && !ended.isAsked && (await isAnythingRunning(context))) {
    await start(context, paths);
    ended = await end(context, paths, services);
  }
  return { stopped: ended.pid !== null, pid: ended.pid };
}

type Ended = { pid: number | null; isAsked: boolean };

/** Has the daemon end, where there is one, and waits for that. */
async function end(context: Context, paths: HomePaths, services: boolean): Promise<Ended> {
  const holder = daemonHolder(paths);
  if (!holder) return { pid: null, isAsked: false };
  const ask = async () => {
    try {
      await callDaemon(paths, "POST", "/v1/daemon/stop", {
        body: { services },
        signal: context.signal,
        atOnce: true,
      });
      return true;
    } catch (thrown) {
      // It does not listen yet, or not any more.
      if (thrown instanceof NoDaemon) return false;
      throw thrown;
    }
  };
  let isAsked = await ask();
  const deadline = performance.now() + (services ? END_WITH_SERVICES_MS : END_MS);
  while (daemonHolder(paths)?.pid === holder.pid) {
    if (context.signal.aborted) throw new AuroraError("interrupted", "stopped while waiting for the daemon");
    if (performance.now() >= deadline)
      throw new AuroraError("timed-out", `the daemon (pid ${holder.pid}) does not end`, {
        hint: `kill -KILL ${holder.pid} ends it; its services live on, and the next daemon takes them over`,
      });
    await Bun.sleep(POLL_MS);
    isAsked ||= await ask();
  }
  return { pid: holder.pid, isAsked };
}

/** Services outlive their daemon, and what the start of a oneshot pack leaves running never had one. */
async function isAnythingRunning(context: Context): Promise<boolean> {
  using workspace = await openForReading(context);
  return packStatuses(workspace, []).some(({ state, pid }) => state === "running" || pid !== null);
}

/** Only a daemon knows how to stop all of it in order. */
async function start(context: Context, paths: HomePaths): Promise<void> {
  if (context.noDaemon)
    throw new AuroraError("usage", "services are running, and no daemon that could stop them", {
      hint: "leave out --no-daemon",
    });
  const { self, env, signal } = context;
  const { startDaemon } = await import("../../daemon/start-daemon.ts");
  await startDaemon({ paths, self, env, signal });
}

export function render({ stopped, pid }: Result): string {
  return stopped ? `the daemon (pid ${pid}) has ended` : "no daemon is running";
}
