import { type Context } from "../command.ts";
import { pauseFlow, type PauseInput, type PauseResult, pauseText } from "../shared/job-pause.ts";

export function run(context: Context, input: PauseInput): Promise<PauseResult> {
  return pauseFlow(context, input, true);
}

export const render = pauseText;
