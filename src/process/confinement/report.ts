import { systemReason } from "../../errors.ts";
import { errnoError } from "../../system/libc.ts";

/** What the launcher says of the step that failed. */
export type Report = { step: string; errno: number; reason: string };

/**
 * Reads what the launcher wrote: "<step>: errno <number>". Undefined for anything else, as for nothing: then the command
 * was executed.
 */
export function parseReport(text: string): Report | undefined {
  const match = /^(.*): errno (\d+)\n(?:peak: KiB \d+\n)?$/s.exec(text);
  if (!match) return undefined;
  const errno = Number(match[2]);
  const error = errnoError(errno, "launch");
  return { step: match[1] as string, errno, reason: systemReason(error) ?? `errno ${errno}` };
}

/** What memory a command has had, as whoever has waited for it inside says. */
export type MemoryReport = {
  /** The largest resident size of the command and of what it has waited for; of all of it where that was too much. */
  peakBytes: number;
  /** It was killed for that. */
  isTooMuch: boolean;
};

/** Reads what the launcher wrote at the end of a command. Undefined where nobody has waited for it inside. */
export function parseMemoryReport(text: string): MemoryReport | undefined {
  const match = /^(peak|too much): KiB (\d+)\n$/m.exec(text);
  return match ? { peakBytes: Number(match[2]) * 1024, isTooMuch: match[1] === "too much" } : undefined;
}
