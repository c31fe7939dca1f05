import { type DaemonStatus } from "../../daemon/api-schema.ts";
import { findDaemon, HangingDaemon } from "../../daemon/client.ts";
import { daemonHolder } from "../../daemon/daemon-lock.ts";
import { type HomePaths, homePaths } from "../../system/home.ts";
import { formatDuration } from "../../system/units.ts";
import { type Context } from "../command.ts";

type Result = DaemonStatus | { running: false; pid: number | null };

export async function run(context: Context): Promise<Result> {
  const paths = homePaths(context.home);
  const holder = daemonHolder(paths);
  if (!holder) return { running: false, pid: null };
  return (await findAnswering(paths, context.signal)) ?? { running: false, pid: holder.pid };
}

async function findAnswering(paths: HomePaths, signal: AbortSignal): Promise<DaemonStatus | undefined> {
  try {
    return await findDaemon(paths, signal);
  } catch (thrown) {
    if (thrown instanceof HangingDaemon) return undefined;
    throw thrown;
  }
}

export function render(result: Result): string {
  if (!result.running)
    return result.pid === null
      ? "no daemon is running"
      : `the daemon (pid ${result.pid}) is starting, or does not answer`;
  const { pid, version, socket, uptime_seconds: uptime, services, idle_exit_seconds: idle } = result;
  return [
    `the daemon is running (pid ${pid}, version ${version}, for ${formatDuration(uptime * 1000)})`,
    `socket    ${socket}`,
    `services  ${services}`,
    ...(idle === null ? [] : [`ends      after ${formatDuration(idle * 1000)} without anything to do`]),
  ].join("\n");
}

/** 3 as `status` of a pack that does not run. */
export function exitCode({ running }: Result): number {
  return running ? 0 : 3;
}
