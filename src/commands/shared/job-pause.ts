import { pauseJobs, type PauseResult } from "../../daemon/jobs/own-jobs.ts";
import { AuroraError } from "../../errors.ts";
import { type PauseRow } from "../../registry/jobs.ts";
import { type Context, type Input } from "../command.ts";
import { changeJobs, withOwnJobs } from "./jobs.ts";

export type PauseInput = Input<"all", "tag">;

/** Pauses or resumes one job, a tag, or everything. */
export async function pauseFlow(
  context: Context,
  input: PauseInput,
  isPaused: boolean,
): Promise<PauseResult> {
  const target = targetOf(input, isPaused ? "pause" : "resume");
  const [packId, name] = input.args;
  if (packId !== undefined)
    return await withOwnJobs(context, packId, isPaused ? "schedule pause" : "schedule resume", { name });
  return await changeJobs(
    context,
    `${isPaused ? "pause" : "resume"} jobs`,
    () => {},
    (workspace) => pauseJobs(workspace, target, null, isPaused),
  );
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
  return { kind: "job", name };
}

/** What was done, for people. */
export function pauseText({ kind, name, paused, changed }: PauseResult): string {
  const what = kind === "all" ? "everything" : kind === "tag" ? `the tag "${name}"` : name;
  if (paused) return changed ? `${what} is paused; what runs goes on` : `${what} was paused already`;
  return changed ? `${what} goes on` : `${what} was not paused`;
}
