import { type JobView, jobViews } from "../../daemon/jobs/job-view.ts";
import { type Context, type Input, type Paint } from "../command.ts";
import { jobTable, reasonLines, withOwnJobs } from "../shared/jobs.ts";
import { ownPackId } from "../shared/own-pack.ts";
import { openForReading } from "../shared/workspace.ts";

export async function run(context: Context, { args: [named] }: Input): Promise<JobView[]> {
  const packId = named ?? ownPackId(context);
  if (packId !== undefined) return await withOwnJobs(context, packId, "schedule list", {});
  using workspace = await openForReading(context);
  return jobViews(workspace);
}

export function render(jobs: JobView[], paint: Paint): string {
  if (jobs.length === 0) return "there are no jobs";
  return [jobTable(jobs, paint), ...reasonLines(jobs)].join("\n");
}
