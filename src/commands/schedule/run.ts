import { DRAIN_MS, JobService } from "../../daemon/jobs/job-service.ts";
import { type JobRunView } from "../../daemon/jobs/job-view.ts";
import { AuroraError } from "../../errors.ts";
import { parseDuration } from "../../system/units.ts";
import { type Context, type Input, type Paint } from "../command.ts";
import { withOwnJobs } from "../shared/jobs.ts";
import { openForReading, openForWriting, refuseInsideTransaction } from "../shared/workspace.ts";
import { runText } from "./history.ts";

type Stopped = {
  stopped_by: string;
  /** Jobs that were told to stop at the deadline, and are tried again by the next process that runs the jobs. */
  interrupted: string[];
};
type Result = JobRunView | Stopped;
type RunInput = Input<"foreground", "drain", "capacity">;

const EXIT_FAILED = 1;
const EXIT_TIMED_OUT = 124;

export async function run(context: Context, input: RunInput): Promise<Result> {
  const [packId, name] = input.args;
  const { foreground, drain, capacity } = input.options;
  const hint = "aurora schedule run PACK NAME, or aurora schedule run --foreground";
  if (foreground !== true && (drain !== undefined || capacity !== undefined))
    throw new AuroraError("usage", "--drain and --capacity belong to --foreground", { hint });
  if (foreground === true) {
    if (packId !== undefined)
      throw new AuroraError("usage", "--foreground runs all jobs, and takes none by name", { hint });
    return await runForeground(context, drainOption(drain), capacityOptions(capacity ?? []));
  }
  if (packId === undefined || name === undefined)
    throw new AuroraError("usage", '"schedule run" needs the name of a job', { hint });
  return await withOwnJobs(context, packId, "schedule run", { name });
}

/** Keeps all jobs running until a signal comes, or something that cannot be gone on with. */
async function runForeground(
  context: Context,
  drainMs: number,
  capacities: Readonly<Record<string, number>>,
): Promise<Stopped> {
  refuseInsideTransaction(context, "run the jobs");
  using workspace = openForWriting(context);
  const { signal } = context;
  await using service = new JobService({
    // Running jobs are ended by the drain, not by the signal itself.
    workspace: { ...workspace, signal: new AbortController().signal },
    command: "schedule run --foreground",
    settle: async () => (await openForReading(context))[Symbol.dispose](),
    capacities,
  });
  await service.start();
  context.log.info(`the jobs of ${context.home} are kept running until SIGTERM or Ctrl-C`);
  const stopped = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const error = await Promise.race([service.broken, stopped]);
  if (error) throw error;
  const { aborted } = await service.drain(drainMs);
  return { stopped_by: String(signal.reason), interrupted: aborted };
}

function drainOption(text: string | undefined): number {
  if (text === undefined) return DRAIN_MS;
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new AuroraError("usage", `cannot read --drain "${text}": it is not a duration`, {
    hint: "write 10s or 2m",
  });
}

/** `gpu=2`. */
function capacityOptions(texts: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, tag, amount] = /^([a-z0-9][a-z0-9_-]{0,63})=(\d{1,6})$/.exec(text) ?? [];
      if (tag !== undefined) return [tag, Number(amount)];
      throw new AuroraError("usage", `cannot read --capacity "${text}"`, { hint: "write gpu=1" });
    }),
  );
}

export function render(result: Result, paint: Paint): string {
  if (!("stopped_by" in result)) return runText(result, paint);
  const { stopped_by, interrupted } = result;
  const tail = interrupted.length === 0 ? "" : `; interrupted: ${interrupted.join(", ")}`;
  return `stopped by ${stopped_by}${tail}`;
}

export function exitCode(result: Result): number {
  if ("stopped_by" in result || result.state === "succeeded") return 0;
  return result.state === "timed-out" ? EXIT_TIMED_OUT : EXIT_FAILED;
}
