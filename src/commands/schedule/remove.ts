import { type RemovedJob } from "../../daemon/jobs/own-jobs.ts";
import { type Context, type Input } from "../command.ts";
import { withOwnJobs } from "../shared/jobs.ts";

export function run(context: Context, { args: [packId = "", name = ""] }: Input): Promise<RemovedJob> {
  return withOwnJobs(context, packId, "schedule remove", { name });
}

export function render({ id }: RemovedJob): string {
  return `${id} is removed`;
}
