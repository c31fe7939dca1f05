import { readdirSync, readFileSync } from "node:fs";

/** How often is looked again until nothing is left of what was ended. */
const MAX_LOOKS = 200;
const LOOK_MS = 10;
/** So many looks in a row find nothing at the end: a process has no name for the moment in which it becomes another program. */
const QUIET_LOOKS = 2;

/**
 * Ends, by number, every other process whose command line or environment names a directory or something below it: what packs
 * have left by its mark, and what Aurora itself has left, such as who watches a deadline.
 */
export async function endProcessesAt(directory: string): Promise<void> {
  for (const _look of endings(directory)) await Bun.sleep(LOOK_MS);
}

/** The same while everything else of this program stands still, for its end. */
export function endProcessesNowAt(directory: string): void {
  for (const _look of endings(directory)) Bun.sleepSync(LOOK_MS);
}

/** Each turn ends what it finds; between two of them the caller waits. */
function* endings(directory: string): Generator<void> {
  for (let looks = 0, quiet = 0; looks < MAX_LOOKS; looks++) {
    const found = processesAt(directory);
    quiet = found.length === 0 ? quiet + 1 : 0;
    if (quiet === QUIET_LOOKS) return;
    for (const pid of found) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone meanwhile.
      }
    }
    yield;
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
