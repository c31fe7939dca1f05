import { toAuroraError } from "../errors.ts";
import { compileCron } from "../scheduler/cron.ts";

/** What is wrong with a job's cron expression, or undefined where the scheduler takes it. */
export function cronFault(expression: string, timezone: string | null): string | undefined {
  try {
    compileCron(expression, timezone ?? "UTC");
    return undefined;
  } catch (thrown) {
    return toAuroraError(thrown).message;
  }
}
