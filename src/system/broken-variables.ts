import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";

/**
 * The variables of this process's own environment whose values are no UTF-8: the runtime hands them over with the replacement
 * character in the place of such bytes, and could only pass that on.
 *
 * @param env as the runtime has it; nothing is read where no value holds a replacement character
 */
export function brokenVariables(env: Readonly<Record<string, string | undefined>>): ReadonlySet<string> {
  if (process.platform !== "linux" || !Object.values(env).some((value) => value?.includes("\uFFFD")))
    return new Set();
  const entries = readFileSync("/proc/self/environ").toString("latin1").split("\0");
  const broken = entries.filter((entry) => !isUtf8(Buffer.from(entry, "latin1")));
  return new Set(broken.map((entry) => entry.slice(0, entry.indexOf("="))));
}
