import { AuroraError } from "../../errors.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { appendEvent } from "../../registry/events.ts";
import { jobIdOf, type PauseRow, setPause } from "../../registry/jobs.ts";
import { type Context, type Input } from "../command.ts";
import { changeJobs, requireJob } from "./jobs.ts";

export type PauseInput = Input<"all", "tag">;

export type PauseResult = {
  /** What it is about: "all", "tag", "job". */
  kind: PauseRow["kind"];
  /** The tag, or the job's id; "" for all. */
  name: string;
  paused: boolean;
  changed: boolean;
};

/** Pauses or resumes one job, a tag, or everything. */
export async function pauseFlow(
  context: Context,
  input: PauseInput,
  isPaused: boolean,
): Promise<PauseResult> {
  const target = targetOf(input, isPaused ? "pause" : "resume");
  const [packId = "", name = ""] = input.args;
  const check = (workspace: Workspace) => {
    if (target.kind === "job") requireJob(workspace, packId, name);
  };
  return await changeJobs(context, `${isPaused ? "pause" : "resume"} jobs`, check, ({ registry, now }) => {
    const at = now().toISOString();
    const changed = setPause(registry, target, isPaused ? at : undefined);
    if (changed)
      appendEvent(registry, {
        at,
        packId: target.kind === "job" ? packId : null,
        kind: isPaused ? "jobs-paused" : "jobs-resumed",
        detail: { what: target.kind, name: target.name },
      });
    return { ...target, paused: isPaused, changed };
  });
}

function targetOf({ args, options }: PauseInput, command: string): Pick<PauseRow, "kind" | "name"> {
  const [packId, name] = args;
  const ways = [packId !== undefined, options.tag !== undefined, options.all === true].filter(Boolean).length;
  const hint = `aurora schedule ${command} PACK NAME, --tag TAG, or --all`;
  if (ways !== 1)
    throw new AuroraError("usage", ways === 0 ? `"schedule ${command}" needs a job` : "one at a time", {
      hint,
    });
  if (options.all === true) return { kind: "all", name: "" };
  if (options.tag !== undefined) return { kind: "tag", name: options.tag };
  if (packId === undefined || name === undefined)
    throw new AuroraError("usage", `"schedule ${command}" needs the name of a job`, { hint });
  return { kind: "job", name: jobIdOf({ pack_id: packId, name }) };
}

/** What was done, for people. */
export function pauseText({ kind, name, paused, changed }: PauseResult): string {
  const what = kind === "all" ? "everything" : kind === "tag" ? `the tag "${name}"` : name;
  if (paused) return changed ? `${what} is paused; what runs goes on` : `${what} was paused already`;
  return changed ? `${what} goes on` : `${what} was not paused`;
}
