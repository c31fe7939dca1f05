import { type JobView } from "../../daemon/jobs/job-view.ts";
import { type JobOperation, type OwnJobs, ownJobs } from "../../daemon/jobs/own-jobs.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { type Context, type Paint } from "../command.ts";
import { momentText } from "./local-time.ts";
import { askOwn } from "./own-pack.ts";
import { table } from "./text-table.ts";
import {
  checkPackId,
  isConfined,
  openForReading,
  openForWriting,
  refuseInsideTransaction,
} from "./workspace.ts";

type ResultOf<Name extends keyof OwnJobs> = Awaited<ReturnType<OwnJobs[Name]["run"]>>;
/**
 * Does something with the jobs of a pack: here, or, where a confined script of that pack calls, by way of whoever runs it. A
 * change does not wait for a transaction, which leaves jobs alone until its end; but a script inside one may not make it, since
 * what it adds would stay when the transaction goes back.
 *
 * @throws {AuroraError} `denied` for a confined script that asks about another pack than its own; `locked` inside a transaction
 */
export async function withOwnJobs<Name extends keyof OwnJobs>(
  context: Context,
  packId: string,
  name: Name,
  params: Record<string, unknown>,
): Promise<ResultOf<Name>> {
  checkPackId(packId);
  const operation = ownJobs[name] as JobOperation<unknown, unknown>;
  if (isConfined(context))
    return (await askOwn(context, packId, { operation: name, params }, operation)) as ResultOf<Name>;
  const checked = operation.check(packId, params);
  if (!operation.isChange) {
    using reading = await openForReading(context);
    return (await operation.run(reading, packId, checked)) as ResultOf<Name>;
  }
  const result = await changeJobs(
    context,
    operation.outside?.(checked) ?? name,
    (workspace) => operation.look(workspace, packId, checked),
    (workspace) => operation.run(workspace, packId, checked),
  );
  return result as ResultOf<Name>;
}

/**
 * Changes what the registry says about jobs.
 *
 * @param look looks first, so that nothing is created for what cannot be
 */
export async function changeJobs<T>(
  context: Context,
  description: string,
  look: (workspace: Workspace) => void,
  change: (workspace: Workspace) => T | Promise<T>,
): Promise<T> {
  refuseInsideTransaction(context, description);
  {
    using reading = await openForReading(context);
    look(reading);
  }
  using workspace = openForWriting(context);
  return await change(workspace);
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
