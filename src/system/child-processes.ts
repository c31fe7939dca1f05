import { readdirSync } from "node:fs";

import { openLibc } from "./libc.ts";
import { operatingSystem } from "./operating-system.ts";
import { readProcFile } from "./proc-file.ts";

const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x100_0000;
const P_PID = 1;
const CLD_EXITED = 1;

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

/**
 * The children of this process, zombies included, as the kernel lists them: one look is compared with the next by its text. The runtime
 * starts processes by its first thread alone, and to that the kernel gives those that have lost their parent.
 *
 * @returns undefined where the kernel does not list them
 */
export function ownChildList(): string | undefined {
  return childListOf(process.pid, process.pid);
}

/** The numbers of a list of children. */
export function listedIds(list: string): number[] {
  return list === "" ? [] : list.trimEnd().split(" ").map(Number);
}

/** Each thread has the children that it has forked. */
function childListOf(pid: number, thread: number | string): string | undefined {
  return readProcFile(`/proc/${pid}/task/${thread}/children`);
}

/**
 * The children of a process, zombies included; undefined where the kernel does not list them, or it is gone.
 *
 * @param threads how many it has, where that is known: most have one, whose number is the process's, and need not be listed
 */
export function childIds(pid: number, threads?: number): number[] | undefined {
  if (threads === 1) return childrenOf(pid, pid);
  const listed = threadsOf(pid);
  if (!listed) return undefined;
  const found: number[] = [];
  for (const thread of listed) {
    const children = childrenOf(pid, thread);
    if (!children) return undefined;
    found.push(...children);
  }
  return found;
}

function childrenOf(pid: number, thread: number | string): number[] | undefined {
  const list = childListOf(pid, thread);
  return list === undefined ? undefined : listedIds(list);
}

function threadsOf(pid: number): string[] | undefined {
  try {
    return readdirSync(`/proc/${pid}/task`);
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

/** How a process has ended: by its own exit code, or of a signal. */
export type ProcessEnd = { rc: number | null; signal: string | null };

/**
 * How a child has ended, without taking it off the kernel's list: whoever waits for it learns that too (waitid(2), WNOWAIT).
 *
 * @returns undefined where it has not ended, or is no child of this process: only its parent learns that
 */
export function endOf(pid: number): ProcessEnd | undefined {
  // siginfo_t: the code is the third word, the process the fifth, the status the seventh.
  const info = new Int32Array(32);
  const isTold = libc().waitid(P_PID, pid, info, WEXITED | WNOHANG | WNOWAIT) === 0 && info[4] === pid;
  if (!isTold) return undefined;
  const [code, status = 0] = [info[2], info[6]];
  if (code === CLD_EXITED) return { rc: status, signal: null };
  const name = Object.entries(operatingSystem().constants.signals).find(
    ([, number]) => number === status,
  )?.[0];
  return { rc: null, signal: name ?? `SIG${status}` };
}

function bind() {
  return openLibc({
    prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
    waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
    waitid: { args: ["i32", "i32", "ptr", "i32"], returns: "i32" },
  });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());
