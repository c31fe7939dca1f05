import { type NextTime, nextTimes } from "../../daemon/jobs/job-timing.ts";
import { jobViews } from "../../daemon/jobs/job-view.ts";
import { packJobs } from "../../lifecycle/jobs.ts";
import { type Context, type Input } from "../command.ts";
import { momentText, parseCount } from "../shared/local-time.ts";
import { requireLivePack } from "../shared/packs.ts";
import { table } from "../shared/text-table.ts";
import { openForReading } from "../shared/workspace.ts";

const DEFAULT_RUNS = 10;
const MAX_RUNS = 1000;

type NextRun = {
  id: string;
  pack_id: string;
  name: string;
  /** The time that it is recorded under. */
  scheduled_at: string;
  /** When it comes, with its jitter. */
  at: string;
  in_ms: number;
  /** Why it may not run then; null for nothing that is known. */
  why_not_running: string | null;
};

export async function run(
  context: Context,
  { args: [packId], options }: Input<never, "number">,
): Promise<NextRun[]> {
  const count = parseCount(options.number, DEFAULT_RUNS, MAX_RUNS);
  using workspace = await openForReading(context);
  if (packId !== undefined) requireLivePack(workspace, packId);
  const nowMs = context.now().getTime();
  const views = new Map(jobViews(workspace, packId).map((view) => [view.id, view]));
  const runs = packJobs(workspace.registry, packId).flatMap((job) => {
    const view = views.get(job.id);
    // What is paused, over or refused has no next run.
    if (!view || view.next_run === null) return [];
    return nextTimes(job, nowMs, count).map(({ scheduledMs, atMs }: NextTime) => ({
      id: job.id,
      pack_id: job.packId,
      name: job.name,
      scheduled_at: new Date(scheduledMs).toISOString(),
      at: new Date(atMs).toISOString(),
      in_ms: atMs - nowMs,
      why_not_running: view.why_not_running,
    }));
  });
  return runs.toSorted((a, b) => a.in_ms - b.in_ms).slice(0, count);
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
