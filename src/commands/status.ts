import { type PackStatus, packStatuses } from "../lifecycle/pack-status.ts";
import { type Context, type Input } from "./command.ts";
import { renderStatuses } from "./shared/status-table.ts";
import { checkPackId, openForReading } from "./shared/workspace.ts";

type Result = PackStatus[];

export async function run(context: Context, { args }: Input): Promise<Result> {
  using workspace = await openForReading(context);
  return packStatuses(workspace, args.map(checkPackId));
}

export const render = renderStatuses;

/** 3 where a pack was named and does not run, as `systemctl status` and the LSB have it. */
export function exitCode(result: Result, { args }: Input): number {
  return args.length > 0 && result.some(({ state }) => state !== "running") ? 3 : 0;
}
