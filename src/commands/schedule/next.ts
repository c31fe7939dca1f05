import { MAX_NEXT_RUNS, type NextRun, nextRuns } from "../../daemon/jobs/own-jobs.ts";
import { type Context, type Input } from "../command.ts";
import { withOwnJobs } from "../shared/jobs.ts";
import { momentText, parseCount } from "../shared/local-time.ts";
import { ownPackId } from "../shared/own-pack.ts";
import { table } from "../shared/text-table.ts";
import { openForReading } from "../shared/workspace.ts";

const DEFAULT_RUNS = 10;

export async function run(
  context: Context,
  { args: [named], options }: Input<never, "number">,
): Promise<NextRun[]> {
  const count = parseCount(options.number, DEFAULT_RUNS, MAX_NEXT_RUNS);
  const packId = named ?? ownPackId(context);
  if (packId !== undefined) return await withOwnJobs(context, packId, "schedule next", { count });
  using workspace = await openForReading(context);
  return nextRuns(workspace, undefined, count);
}

export function render(runs: NextRun[]): string {
  if (runs.length === 0) return "no run is to come";
  const rows = runs.map(({ id, at, in_ms, why_not_running }) => [
    momentText(at, in_ms),
    id,
    why_not_running ?? "",
  ]);
  return table(["WHEN", "JOB", "NOTE"], rows);
}
