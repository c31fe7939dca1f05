import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";

/** The processes in a control group of version 2: not those in groups below it. Empty where it is gone. */
export function groupMembers(directory: string): number[] {
  try {
    return readFileSync(`${directory}/cgroup.procs`, "latin1").split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/**
 * Makes a control group anew. One of that name that is empty is removed first: whoever enters a group in which everything was
 * killed once is killed as well.
 *
 * @throws what node:fs throws: EBUSY where processes are in it, EACCES where the group above is not delegated
 */
export function makeGroup(directory: string): void {
  removeGroup(directory);
  mkdirSync(directory, { mode: 0o755 });
}

/** Sets a group's value. @throws what node:fs throws: ENOENT where the controller is not switched on for it */
export function setGroup(directory: string, name: string, value: string): void {
  writeFileSync(`${directory}/${name}`, value);
}

/** Kills every process in a group and below it at once, those that are forked at that moment too (Linux 5.14). */
export function killGroup(directory: string): boolean {
  try {
    writeFileSync(`${directory}/cgroup.kill`, "1");
    return true;
  } catch {
    return false;
  }
}

/** What a group and those below it count of their memory; null where the controller is not switched on for it, or it is gone. */
export function memoryKills(directory: string): { limitReached: number; killed: number } | null {
  try {
    const text = readFileSync(`${directory}/memory.events`, "latin1");
    const count = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
    return { limitReached: count("oom"), killed: count("oom_kill") };
  } catch {
    return null;
  }
}

/** Removes a group if no process is in it; false where one is. */
export function removeGroup(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "ENOENT";
  }
}
