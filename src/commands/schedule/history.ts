import { type JobRunView } from "../../daemon/jobs/job-view.ts";
import { MAX_SHOWN_RUNS } from "../../daemon/jobs/own-jobs.ts";
import { formatDuration } from "../../system/units.ts";
import { type Context, type Input, type Paint } from "../command.ts";
import { withOwnJobs } from "../shared/jobs.ts";
import { parseCount } from "../shared/local-time.ts";
import { printedLines } from "../shared/printed-lines.ts";

const DEFAULT_RUNS = 20;

export async function run(
  context: Context,
  { args: [packId = "", name], options }: Input<never, "number">,
): Promise<JobRunView[]> {
  const limit = parseCount(options.number, DEFAULT_RUNS, MAX_SHOWN_RUNS);
  return await withOwnJobs(context, packId, "schedule history", { name, limit });
}

export function render(runs: JobRunView[], paint: Paint): string {
  return runs.length === 0 ? "nothing has run yet" : runs.map((one) => runText(one, paint)).join("\n");
}

/** A line for each run, and below it what it printed last. */
export function runText(run: JobRunView, paint: Paint): string {
  const { id, scheduled_at, attempt, state, cause, count, rc, duration_ms, reason, output_tail } = run;
  const isBad = state === "failed" || state === "timed-out" || state === "interrupted";
  const isExit = reason === `it ended with exit code ${rc}`;
  const parts = [
    `${scheduled_at}  ${id}  ${isBad ? paint.red(state) : state}${count > 1 ? ` ${count} times` : ""}`,
    ...(attempt > 1 ? [`try ${attempt}`] : []),
    ...(cause === "manual" ? ["by hand"] : []),
    ...(isExit ? [`exit code ${rc}`] : []),
    ...(duration_ms === null ? [] : [formatDuration(duration_ms)]),
    ...(reason === null || isExit ? [] : [reason]),
    ...(run.retry_at === null ? [] : [`tried again at ${run.retry_at}`]),
  ];
  const tail = printedLines(output_tail, "    ");
  return [parts.join(", "), ...tail].join("\n");
}
