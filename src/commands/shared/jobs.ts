import { type JobView, jobViews } from "../../daemon/jobs/job-view.ts";
import { AuroraError } from "../../errors.ts";
import { updatePackRecord } from "../../lifecycle/generation-record.ts";
import { type PackJob, packJobs } from "../../lifecycle/jobs.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { nearest } from "../../system/nearest.ts";
import { type Context, type Paint } from "../command.ts";
import { momentText } from "./local-time.ts";
import { requireLivePack } from "./packs.ts";
import { table } from "./text-table.ts";
import { openForReading, openForWriting, refuseInsideTransaction } from "./workspace.ts";

/**
 * The job of a live pack.
 *
 * @throws {AuroraError} `not-found` for the pack or the job, with the nearest known name
 */
export function requireJob(workspace: Workspace, packId: string, name: string): PackJob {
  requireLivePack(workspace, packId);
  const jobs = packJobs(workspace.registry, packId);
  const job = jobs.find((one) => one.name === name);
  if (job) return job;
  const near = nearest(
    name,
    jobs.map((one) => one.name),
  );
  throw new AuroraError("not-found", `the pack "${packId}" has no job "${name}"`, {
    hint: near ? `did you mean "${near}"?` : `aurora schedule list ${packId} shows its jobs`,
  });
}

/** The job as it is shown now. */
export function viewOf(workspace: Workspace, { packId, id }: PackJob): JobView {
  const view = jobViews(workspace, packId).find((one) => one.id === id);
  if (view) return view;
  throw new AuroraError("not-found", `the job "${id}" was removed just now`);
}

/**
 * Changes what the registry says about jobs. That does not wait for a transaction, which leaves jobs alone until its end; but
 * a script inside one may not, since what it adds would stay when the transaction goes back.
 *
 * @param check looks first, so that nothing is created for what cannot be
 * @param recordOf the pack whose record tells of the change
 */
export async function changeJobs<T>(
  context: Context,
  description: string,
  check: (workspace: Workspace) => void,
  change: (workspace: Workspace) => T,
  recordOf?: string,
): Promise<T> {
  refuseInsideTransaction(context, description);
  {
    using reading = await openForReading(context);
    check(reading);
  }
  using workspace = openForWriting(context);
  const result = workspace.registry.write(() => change(workspace));
  if (recordOf !== undefined) updatePackRecord(workspace, recordOf);
  return result;
}

/** The table of `schedule list`. */
export function jobTable(jobs: readonly JobView[], paint: Paint): string {
  const rows = jobs.map((job) => [job.id, job.spec, stateText(job, paint), nextText(job), lastText(job)]);
  return table(["JOB", "WHEN", "STATE", "NEXT RUN", "LAST RUN"], rows);
}

/** "Mon 2026-03-30 03:00 +02:00, in 5 m 3 s", or "-". */
export function nextText({ next_run, next_in_ms }: Pick<JobView, "next_run" | "next_in_ms">): string {
  return next_run === null ? "-" : momentText(next_run, next_in_ms ?? 0);
}

function stateText({ state }: JobView, paint: Paint): string {
  if (state === "running") return paint.green(state);
  return state === "refused" || state === "interrupted" ? paint.red(state) : state;
}

function lastText({ last_run, last_state, last_rc }: JobView): string {
  if (last_run === null) return "-";
  return `${last_run}, ${last_state}${last_rc === null || last_rc === 0 ? "" : ` (exit code ${last_rc})`}`;
}

/** Why jobs do not run, each reason once, below the table. */
export function reasonLines(jobs: readonly JobView[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { id, state, why_not_running } of jobs)
    if (why_not_running !== null && state !== "done")
      byReason.set(why_not_running, [...(byReason.get(why_not_running) ?? []), id]);
  return [...byReason].map(
    ([reason, ids]) => `${ids.length === jobs.length ? "all" : ids.join(", ")}: ${reason}`,
  );
}
