import { daemonHolder } from "../daemon/daemon-lock.ts";
import { type PackStatus, packStatuses } from "../lifecycle/pack-status.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { supervisedPackIds } from "../registry/services.ts";
import { type Context, type Input } from "./command.ts";
import { renderStatuses } from "./shared/status-table.ts";
import { checkPackId, openForReading } from "./shared/workspace.ts";

type Result = PackStatus[];

export async function run(context: Context, { args, options }: Input<"watch">): Promise<Result | undefined> {
  const packIds = args.map(checkPackId);
  if (options.watch === true) {
    const { watchStatus } = await import("./shared/watch-status.ts");
    return await watchStatus(context, packIds);
  }
  using workspace = await openForReading(context);
  const statuses = packStatuses(workspace, packIds);
  warnUnwatched(context, workspace, statuses);
  return statuses;
}

/** What is shown of a service is what the last daemon has noted, and what is down stays down. */
function warnUnwatched(context: Context, { registry, paths }: Workspace, statuses: Result): void {
  if (statuses.every(({ since }) => since === null) || daemonHolder(paths)) return;
  const shown = new Set(statuses.map(({ pack_id: packId }) => packId));
  const unwatched = supervisedPackIds(registry).filter((packId) => shown.has(packId));
  if (unwatched.length === 0) return;
  const [first] = unwatched;
  const others = unwatched.length === 1 ? "" : ` and ${unwatched.length - 1} more`;
  context.log.warn(
    `no daemon runs: nobody watches "${first}"${others}, or starts it again; aurora daemon does, and so does the next command that needs one`,
  );
}

export const render = renderStatuses;

/** 3 where a pack was named and does not run, as `systemctl status` and the LSB have it. */
export function exitCode(result: Result | undefined, { args }: Input): number {
  return args.length > 0 && result?.some(({ state }) => state !== "running") ? 3 : 0;
}
