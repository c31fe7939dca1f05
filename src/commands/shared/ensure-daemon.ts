import { findDaemon } from "../../daemon/client.ts";
import { toAuroraError } from "../../errors.ts";
import { homePaths } from "../../system/home.ts";
import { type Context } from "../command.ts";

/**
 * Sees to it that a daemon runs, for work that has just been recorded and goes on without the command: jobs. The work is
 * done all the same where it cannot be started, so that is only a warning; who has stopped the command asks for none.
 *
 * @returns whether one runs
 */
export async function ensureDaemon(context: Context): Promise<boolean> {
  const { signal, self, env } = context;
  if (context.noDaemon || signal.aborted) return false;
  const paths = homePaths(context.home);
  try {
    if (await findDaemon(paths, signal)) return true;
    const { startDaemon } = await import("../../daemon/start-daemon.ts");
    await startDaemon({ paths, self, env, signal });
    return true;
  } catch (thrown) {
    if (signal.aborted) return false;
    context.log.warn(`${toAuroraError(thrown).message}; until then no jobs run`);
    return false;
  }
}
