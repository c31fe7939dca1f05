import { type PauseResult } from "../../daemon/jobs/own-jobs.ts";
import { type Context } from "../command.ts";
import { pauseFlow, type PauseInput, pauseText } from "../shared/job-pause.ts";

export function run(context: Context, input: PauseInput): Promise<PauseResult> {
  return pauseFlow(context, input, false);
}

export const render = pauseText;
