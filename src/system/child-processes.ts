import { readdirSync, readFileSync } from "node:fs";

import { openLibc } from "./libc.ts";

const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;

/**
 * Makes this process the parent of its descendants that lose theirs (PR_SET_CHILD_SUBREAPER), as process 1 is by itself.
 * Then whatever a child leaves behind is found among the own children, and has to be reaped when it ends.
 *
 * @returns false where the system has no such thing
 */
export function becomeSubreaper(): boolean {
  if (process.platform !== "linux") return false;
  return libc().prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n) === 0;
}

/** The children of a process, zombies included; undefined where the kernel does not list them, or it is gone. */
export function childIds(pid: number): number[] | undefined {
  try {
    const found: number[] = [];
    // Each thread has the children that it has forked.
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1");
      if (text !== "") found.push(...text.trimEnd().split(" ").map(Number));
    }
    return found;
  } catch {
    return undefined;
  }
}

/**
 * Takes one ended child off the kernel's list. Never for a child that the runtime has started: it would wait for its exit
 * code in vain.
 *
 * @returns false where it has not ended, or is no child of this process
 */
export function reapChild(pid: number): boolean {
  return libc().waitpid(pid, null, WNOHANG) === pid;
}

function bind() {
  return openLibc({
    prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
    waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
  });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());
