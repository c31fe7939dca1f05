import { existsSync, readFileSync } from "node:fs";

/** All that was printed to a log, also what was put aside since, oldest first. */
export function wholeLog(log: string): string {
  return [`${log}.3`, `${log}.2`, `${log}.1`, log]
    .map((path) => (existsSync(path) ? readFileSync(path, "utf8") : ""))
    .join("");
}
