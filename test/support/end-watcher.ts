import { readdirSync, readFileSync } from "node:fs";

import { eventually } from "./eventually.ts";

/**
 * Kills what an install has left to look at the deadline of its confirmation, as a reboot does. It has no mark in its
 * environment, and is known by its command line once it is the program.
 */
export async function endWatcher(home: string): Promise<void> {
  const pid = await eventually("the watcher of the confirmation", () => watcherOf(home));
  process.kill(pid, "SIGKILL");
}

function watcherOf(home: string): number | undefined {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
        return words.includes("--watch") && words.includes(home);
      } catch {
        return false; // It has ended meanwhile.
      }
    });
}
