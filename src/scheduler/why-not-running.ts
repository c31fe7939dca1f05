import { type Blocker } from "./admission.ts";
import { type Job, type Run } from "./job.ts";

export type WhyNot = {
  state: "running" | "scheduled" | "waiting" | "retrying" | "paused" | "unknown";
  /** In words, without the job's name. */
  reason: string;
  /** When it is expected to go on, in milliseconds since 1970-01-01T00:00Z; undefined where that depends on others. */
  atMs: number | undefined;
};

type Surroundings = {
  offsetMs: number;
  isPaused: boolean;
  blockersOf: (run: Run) => Blocker[];
};

/** Says what a job is doing or waiting for. Pure. */
export function whyNotRunning(job: Job | undefined, id: string, around: Surroundings): WhyNot {
  if (!job)
    return {
      state: "unknown",
      reason: `there is no job "${id}", or all its runs have ended`,
      atMs: undefined,
    };
  const runs = [...job.active];
  const running = runs.find(({ state }) => state === "running");
  if (running)
    return {
      state: "running",
      reason:
        running.stoppedAs === undefined
          ? "it runs"
          : `it was told to stop (${running.stoppedAs}), and has not ended`,
      atMs: undefined,
    };
  if (around.isPaused) return { state: "paused", reason: "everything is paused", atMs: undefined };
  if (job.isPaused) return { state: "paused", reason: "the job is paused", atMs: undefined };
  const retrying = runs.find(({ state }) => state === "retrying");
  if (retrying)
    return {
      state: "retrying",
      reason: `try ${retrying.attempt} failed, the next one is to come`,
      atMs: Math.round(retrying.alarmMs + around.offsetMs),
    };
  const [waiting] = runs;
  if (waiting) return { state: "waiting", reason: reasonOf(around.blockersOf(waiting)), atMs: undefined };
  const { dueMs, timeline, jitterMs } = job;
  if (dueMs === undefined) return { state: "scheduled", reason: "its last run has been", atMs: undefined };
  const atMs = (timeline.clock === "wall" ? dueMs : Math.round(dueMs + around.offsetMs)) + jitterMs;
  return { state: "scheduled", reason: "its time has not come", atMs };
}

function reasonOf(blockers: readonly Blocker[]): string {
  if (blockers.length === 0) return "it waits for its turn";
  return blockers
    .map(({ tag, reason, needed, used, capacity }) => {
      if (reason === "paused") return `the tag "${tag}" is paused`;
      if (reason === "too-large") return `it needs ${needed} of "${tag}", and there is ${capacity}`;
      if (reason === "reserved") return `"${tag}" is kept free for a run that has waited long`;
      return `it needs ${needed} of "${tag}", and ${used} of ${capacity} are in use`;
    })
    .join("; ");
}
