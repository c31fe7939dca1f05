import { readdirSync, readFileSync } from "node:fs";

/** How often is looked again, in steps of 10 ms, until nothing is left of what was ended. */
const MAX_LOOKS = 200;
/** So many looks in a row find nothing at the end: a process has no name for the moment in which it becomes another program. */
const QUIET_LOOKS = 2;

/**
 * Ends, by number, every other process whose command line or environment names a directory or something below it: what packs
 * have left by its mark, and what Aurora itself has left, such as who watches a deadline.
 */
export function endProcessesAt(directory: string): void {
  for (let looks = 0, quiet = 0; looks < MAX_LOOKS && quiet < QUIET_LOOKS; looks++) {
    const found = processesAt(directory);
    quiet = found.length === 0 ? quiet + 1 : 0;
    for (const pid of found) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone meanwhile.
      }
    }
    Bun.sleepSync(10);
  }
}

/** The numbers of these processes. */
export function processesAt(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) =>
      ["cmdline", "environ"].some((file) => {
        const text = read(`/proc/${name}/${file}`);
        return text.includes(`${directory}/`) || text.includes(`${directory}\0`);
      }),
    )
    .map(Number);
}

/** Empty where the process has gone or is somebody else's. */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
