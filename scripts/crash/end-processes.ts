import { readdirSync, readFileSync } from "node:fs";

/** How often is looked again, in steps of 10 ms, until nothing is left of what was ended. */
const MAX_LOOKS = 200;

/** Ends, by number, every other process whose command line or environment names something below a directory. */
export function endProcessesBelow(directory: string): void {
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    const found = processesBelow(directory);
    if (found.length === 0) return;
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
export function processesBelow(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) =>
      ["cmdline", "environ"].some((file) => read(`/proc/${name}/${file}`).includes(`${directory}/`)),
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
