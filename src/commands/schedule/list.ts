import { type JobView, jobViews } from "../../daemon/jobs/job-view.ts";
import { type Context, type Input, type Paint } from "../command.ts";
import { jobTable, reasonLines } from "../shared/jobs.ts";
import { requireLivePack } from "../shared/packs.ts";
import { openForReading } from "../shared/workspace.ts";

export async function run(context: Context, { args: [packId] }: Input): Promise<JobView[]> {
  using workspace = await openForReading(context);
  if (packId !== undefined) requireLivePack(workspace, packId);
  return jobViews(workspace, packId);
}

export function render(jobs: JobView[], paint: Paint): string {
  if (jobs.length === 0) return "there are no jobs";
  return [jobTable(jobs, paint), ...reasonLines(jobs)].join("\n");
}
