import { callDaemon, HangingDaemon, NoDaemon } from "../../daemon/client.ts";
import { type HomePaths, homePaths } from "../../system/home.ts";
import { type Context } from "../command.ts";

/**
 * Has somebody roll the change back when nobody confirms it in time: the daemon where one runs, or else a small process that
 * is left behind. It is a convenience: without it (after a reboot, say) the next command does the same before anything else.
 */
export async function watchConfirmation(context: Context): Promise<void> {
  if (!context.noDaemon && (await tellDaemon(homePaths(context.home)))) return;
  const child = Bun.spawn([context.self, "recover", "--watch", "--home", context.home, "--quiet"], {
    cwd: "/",
    env: { PATH: context.env["PATH"] ?? "/usr/bin:/bin" },
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
  });
  child.unref();
}

async function tellDaemon(paths: HomePaths): Promise<boolean> {
  try {
    await callDaemon(paths, "POST", "/v1/daemon/reload", { atOnce: true });
    return true;
  } catch (thrown) {
    if (thrown instanceof NoDaemon || thrown instanceof HangingDaemon) return false;
    throw thrown;
  }
}
