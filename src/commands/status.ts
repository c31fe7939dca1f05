import { type PackStatus, packStatuses } from "../lifecycle/pack-status.ts";
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
  return packStatuses(workspace, packIds);
}

export const render = renderStatuses;

/** 3 where a pack was named and does not run, as `systemctl status` and the LSB have it. */
export function exitCode(result: Result | undefined, { args }: Input): number {
  return args.length > 0 && result?.some(({ state }) => state !== "running") ? 3 : 0;
}
