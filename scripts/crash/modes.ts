import { type Inject } from "./injector.ts";

/** The errno values of Linux on x86-64 and aarch64 (errno(3)). */
const numbers = { EIO: 5, EMFILE: 24, ENOSPC: 28, EROFS: 30, EDQUOT: 122 } as const;

/**
 * | mode | what happens at the point |
 * | --- | --- |
 * | kill | SIGKILL for the program; scripts and services go on |
 * | kill-all | SIGKILL for it and for all that it has started |
 * | torn | half of a write, then SIGKILL |
 * | short | half of a write, and the program is told so |
 * | EIO, ENOSPC, EDQUOT, EMFILE, EROFS | the call fails |
 * | ENOSPC+ | it and every later one that takes space: the disk stays full |
 */
export const killModes = [
  "kill",
  "kill-all",
  "torn",
  "short",
  "EIO",
  "ENOSPC",
  "ENOSPC+",
  "EDQUOT",
  "EMFILE",
  "EROFS",
] as const;

/** What the injector has to do for a mode. Throws for a name that is none. */
export function injectionOf(mode: string, at: number): Inject & { at: number } {
  if (mode === "kill" || mode === "kill-all" || mode === "torn" || mode === "short") return { mode, at };
  const errno = numbers[mode.replace("+", "") as keyof typeof numbers];
  if (errno === undefined) throw new Error(`there is no mode "${mode}"`);
  return { mode: mode.endsWith("+") ? "error-on" : "error", at, errno };
}

/** Whether a mode has any effect at a call. */
export function isPointOf(mode: string, call: string): boolean {
  return (mode !== "torn" && mode !== "short") || / n=\d{2,}$/.test(call);
}
