import { AuroraError } from "../errors.ts";
import { findProcesses, identify, isAlive, type ProcessIdentity, stopTree } from "../process/tree.ts";
import { appendEvent } from "../registry/events.ts";
import { endJobRun, type JobRunRow, openJobRuns } from "../registry/job-runs.ts";
import { parseColumn } from "../registry/json-column.ts";
import { type Registry } from "../registry/registry.ts";
import { JOB_RUN_VARIABLE } from "./job-script.ts";
import { type JobSpec, packJobs } from "./jobs.ts";
import { timestamp, type Workspace } from "./workspace.ts";

/**
 * A run that is interrupted again and again may be what brings its runner down: so often it is begun, in all, and not more
 * often, unless its `retries` allow more.
 */
const INTERRUPTED_TRIES = 3;

/** How long what is ended gets after SIGTERM, in milliseconds, before it gets SIGKILL, where its pack does not say. */
const STOP_TIMEOUT_MS = 5000;
/** Beyond the time that the processes get, the program that runs a job has so long to record its end. */
const RECORD_TIMEOUT_MS = 5000;
const POLL_MS = 20;

/** Whether a run that was interrupted in its `attempt`th try is tried again. Pure. */
export function isRetriedAfterInterruption(spec: Pick<JobSpec, "retries">, attempt: number): boolean {
  if (spec.retries === 0) return false;
  return attempt < Math.max((spec.retries ?? 0) + 1, INTERRUPTED_TRIES);
}

/** What is recorded as the runner of a run: this very program. */
export function thisRunner(): string {
  return JSON.stringify(identify(process.pid));
}

/** Whether the program that runs a try is there. @throws {AuroraError} `state-invalid` where what is recorded of it is damaged */
export function isRunnerAlive({ runner }: Pick<JobRunRow, "runner">): boolean {
  return runner !== null && isAlive(parseColumn<ProcessIdentity>("job_runs.runner", runner));
}

/**
 * Records every run as interrupted whose runner has died, after it has ended what is left of its processes. Those that are to
 * be tried again say so (`retry_ms`).
 *
 * @returns what was interrupted, as it was before
 */
export async function interruptDeadRuns(workspace: Workspace): Promise<JobRunRow[]> {
  const dead = openJobRuns(workspace.registry).filter(
    (row) => row.state === "running" && !isRunnerAlive(row),
  );
  for (const row of dead) {
    await endProcesses(row, STOP_TIMEOUT_MS);
    interrupt(workspace, row, row.stop_reason ?? "the program that ran it died");
  }
  return dead;
}

/**
 * Ends the running jobs of a pack that is about to change. Each is recorded as interrupted, by the program that runs it or,
 * where that is dead, here. A job that has brought the change about by itself goes on.
 *
 * @param why for the history: "its pack was changed"
 * @throws {AuroraError} `failed` where one does not end
 */
export async function endJobsOf(
  workspace: Workspace,
  packId: string,
  why: string,
  stopTimeoutMs: number,
): Promise<void> {
  const { registry, env } = workspace;
  const running = () =>
    openJobRuns(registry).filter(
      ({ pack_id, state, run_id }) =>
        pack_id === packId && state === "running" && run_id !== env[JOB_RUN_VARIABLE],
    );
  if (running().length === 0) return;
  registry.run(
    "UPDATE job_runs SET stop_reason = ? WHERE pack_id = ? AND state = 'running' AND run_id IS NOT ?",
    why,
    packId,
    env[JOB_RUN_VARIABLE] ?? null,
  );
  const deadline = performance.now() + stopTimeoutMs + RECORD_TIMEOUT_MS;
  for (let rows = running(); rows.length > 0; rows = running()) {
    await Promise.all(rows.map((row) => endProcesses(row, stopTimeoutMs)));
    for (const row of rows) if (!isRunnerAlive(row)) interrupt(workspace, row, why);
    if (performance.now() > deadline)
      throw new AuroraError("failed", `cannot end the job "${rows[0]?.name}" of "${packId}": it goes on`);
    await Bun.sleep(POLL_MS);
  }
}

async function endProcesses({ run_id }: JobRunRow, timeoutMs: number): Promise<void> {
  if (run_id === null) return;
  await stopTree(() => findProcesses({ environment: { [JOB_RUN_VARIABLE]: run_id } }), {
    signal: "SIGTERM",
    timeoutMs,
  });
}

function interrupt(workspace: Workspace, row: JobRunRow, reason: string): void {
  const { registry } = workspace;
  registry.write(() => {
    const spec = packJobs(registry, row.pack_id).find(({ name }) => name === row.name)?.spec;
    const isRetried =
      row.cause === "schedule" && spec !== undefined && isRetriedAfterInterruption(spec, row.attempt);
    const retryMs = isRetried ? workspace.now().getTime() : null;
    recordInterruption(registry, row, { reason, retryMs, durationMs: null, at: timestamp(workspace) });
  });
}

/** Writes down that a run was interrupted, with an event. */
export function recordInterruption(
  registry: Registry,
  key: Pick<JobRunRow, "pack_id" | "name" | "scheduled_ms" | "attempt">,
  about: { reason: string; retryMs: number | null; durationMs: number | null; at: string },
): void {
  const { reason, retryMs, durationMs, at } = about;
  const isRecorded = endJobRun(registry, key, {
    state: "interrupted",
    duration_ms: durationMs,
    rc: null,
    output_tail: "",
    reason,
    retry_ms: retryMs,
  });
  // It may have been recorded by somebody else meanwhile.
  if (!isRecorded) return;
  appendEvent(registry, {
    at,
    packId: key.pack_id,
    kind: "job-interrupted",
    detail: {
      job: key.name,
      scheduled_at: new Date(key.scheduled_ms).toISOString(),
      attempt: key.attempt,
      reason,
      retried: retryMs !== null,
    },
  });
}
