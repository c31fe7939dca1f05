import { callDaemon, findDaemon } from "../../daemon/client.ts";
import { AuroraError } from "../../errors.ts";
import { homePaths } from "../../system/home.ts";
import { type Context, type Input } from "../command.ts";

type Result = { reloaded: boolean; pid: number | null; version: string | null };

/** So long a daemon may take to come back as another program file, in milliseconds. */
const BACK_MS = 30_000;
const POLL_MS = 10;

export async function run(context: Context, { options }: Input<"binary">): Promise<Result> {
  const paths = homePaths(context.home);
  const before = await findDaemon(paths, context.signal);
  if (!before) return { reloaded: false, pid: null, version: null };
  const binary = options.binary === true;
  await callDaemon(paths, "POST", "/v1/daemon/reload", { body: { binary }, signal: context.signal });
  if (!binary) return { reloaded: true, pid: before.pid, version: before.version };
  const deadline = performance.now() + BACK_MS;
  for (;;) {
    const after = await findDaemon(paths, context.signal);
    if (after && after.started_at !== before.started_at)
      return { reloaded: true, pid: after.pid, version: after.version };
    if (performance.now() >= deadline)
      throw new AuroraError("timed-out", "the daemon did not come back with the new program file", {
        hint: "its services live on; aurora daemon starts it anew",
      });
    await Bun.sleep(POLL_MS);
  }
}

export function render({ reloaded, pid, version }: Result): string {
  return reloaded ? `the daemon (pid ${pid}, version ${version}) has reloaded` : "no daemon is running";
}

/** 3 as `status` of a pack that does not run. */
export function exitCode({ reloaded }: Result): number {
  return reloaded ? 0 : 3;
}
