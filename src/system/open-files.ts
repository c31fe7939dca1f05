import { readProcFile } from "./proc-file.ts";

/**
 * So many files a process may hold open while nobody has said otherwise, as in a login and in systemd's services. Whoever goes
 * through all numbers that there may be would take long with a million, and select(2) knows no more.
 */
export const USUAL_OPEN_FILES = 1024;

/** What this process, and whatever it starts, may raise its limit of open files to; undefined where nobody can tell. */
export function mostOpenFiles(): number | undefined {
  const [, most] = /^Max open files +\d+ +(\d+)/m.exec(readProcFile("/proc/self/limits") ?? "") ?? [];
  return most === undefined ? undefined : Number(most);
}
