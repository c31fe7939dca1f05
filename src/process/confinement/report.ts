import { systemReason } from "../../errors.ts";
import { errnoError } from "../../system/libc.ts";

/** What the launcher says of the step that failed. */
export type Report = { step: string; errno: number; reason: string };

/**
 * Reads what the launcher wrote: "<step>: errno <number>". Undefined for anything else, as for nothing: then the command
 * was executed.
 */
export function parseReport(text: string): Report | undefined {
  const match = /^(.*): errno (\d+)\n$/s.exec(text);
  if (!match) return undefined;
  const errno = Number(match[2]);
  const error = errnoError(errno, "launch");
  return { step: match[1] as string, errno, reason: systemReason(error) ?? `errno ${errno}` };
}
