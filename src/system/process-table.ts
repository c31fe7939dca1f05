import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";

import { pageSize } from "./page-size.ts";
import { readProcFile } from "./proc-file.ts";

/** One process as `/proc/PID/stat` shows it (proc_pid_stat(5)). */
export type ProcessEntry = {
  pid: number;
  /** The kernel's name of it: at most 15 bytes. */
  name: string;
  /** One letter: R, S, D, T, t, Z (a zombie), X … */
  state: string;
  parent: number;
  processGroup: number;
  session: number;
  threads: number;
  /** It has no program, and so no environment. */
  isKernelThread: boolean;
  /** Clock ticks since boot. With the boot's id it tells a process from a later one with the same number. */
  startTime: number;
  /** Clock ticks of processor time, with that of children that it has waited for. */
  cpuTicks: number;
};

/** Ticks in a second, as user programs see them: the same on every Linux of today (USER_HZ). */
export const TICKS_PER_SECOND = 100;

/** Among the flags of a stat line: a thread of the kernel's (include/linux/sched.h). */
const PF_KTHREAD = 0x200000;

/** The numbers of all processes that are there right now. Empty where there is no /proc. */
export function processIds(): number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** What the kernel says of a process, or undefined where it is gone. */
export function readProcess(pid: number): ProcessEntry | undefined {
  const line = readProcFile(`/proc/${pid}/stat`);
  return line === undefined ? undefined : parseStat(pid, line);
}

/** Reads one stat line. The name may hold blanks and parentheses, so the fields are counted from its last ")". */
export function parseStat(pid: number, line: string): ProcessEntry | undefined {
  const open = line.indexOf("(");
  const close = line.lastIndexOf(")");
  if (open === -1 || close === -1) return undefined;
  const fields = line.slice(close + 2).split(" ", 20);
  if (fields.length < 20) return undefined;
  return {
    pid,
    name: line.slice(open + 1, close),
    state: fields[0] as string,
    parent: Number(fields[1]),
    processGroup: Number(fields[2]),
    session: Number(fields[3]),
    threads: Number(fields[17]),
    isKernelThread: (Number(fields[6]) & PF_KTHREAD) !== 0,
    startTime: Number(fields[19]),
    cpuTicks: Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]),
  };
}

/** An environment is rarely longer; a longer one is read in a second step. */
const ENVIRONMENT_BYTES = 32_768;
let environmentBuffer = Buffer.allocUnsafeSlow(ENVIRONMENT_BYTES);

/**
 * The environment a process was started with, as `\0NAME=VALUE\0…\0`; undefined where it may not be read. What is returned
 * is valid until the next call, which spares a look at thousands of processes as many allocations.
 */
export function readEnvironment(pid: number): Buffer | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(`/proc/${pid}/environ`, "r");
  } catch {
    return undefined;
  }
  try {
    environmentBuffer[0] = 0;
    for (let end = 1; ;) {
      const length = readSync(descriptor, environmentBuffer, end, environmentBuffer.length - end, end - 1);
      end += length;
      if (length === 0) return environmentBuffer.subarray(0, end);
      if (end < environmentBuffer.length) continue;
      environmentBuffer = Buffer.concat([environmentBuffer], environmentBuffer.length * 2);
    }
  } catch {
    return undefined; // It ended meanwhile.
  } finally {
    closeSync(descriptor);
  }
}

/** A program that is being executed has neither environment nor arguments for a moment: so often, and so long, it is looked at again. */
const EXEC_LOOKS = 50;
const EXEC_PAUSE_MS = 1;

/**
 * The same of a process that is no kernel thread; one that is just becoming another program (execve(2)) is waited for, since
 * until it is, nothing tells whose it is.
 */
export function readSettledEnvironment(pid: number): Buffer | undefined {
  for (let look = 0; ; look++) {
    const environment = readEnvironment(pid);
    if (environment === undefined || environment.length > 1 || look === EXEC_LOOKS) return environment;
    // Whoever has cleared its environment has arguments. It may have got both just now, and the arguments are there first.
    if (readCommandLine(pid) !== undefined) return readEnvironment(pid);
    // A zombie will have neither again.
    if ("ZX".includes(readProcess(pid)?.state ?? "X")) return environment;
    Bun.sleepSync(EXEC_PAUSE_MS);
  }
}

/** The number of a process in its own pid namespace; undefined where that is the one of this process, or it is gone. */
export function innerProcessId(pid: number): number | undefined {
  const status = readProcFile(`/proc/${pid}/status`) ?? "";
  const numbers = /^NSpid:\t(.*)$/m.exec(status)?.[1]?.split("\t") ?? [];
  return numbers.length > 1 ? Number(numbers.at(-1)) : undefined;
}

/** The command line, its words joined by blanks, or undefined for a zombie and for what may not be read. */
export function readCommandLine(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, "utf8").replace(/\0+$/, "").replaceAll("\0", " ");
    return text === "" ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Four numbers, a slash and blanks. */
const loadBuffer = Buffer.allocUnsafeSlow(128);
/** Stays open: it is looked at after every command, and opening it would take most of the time. */
let loadDescriptor: number | undefined;

/** The number that was given to the newest process or thread of this pid namespace (proc_loadavg(5)). */
export function newestProcessId(): number | undefined {
  try {
    loadDescriptor ??= openSync("/proc/loadavg", "r");
    const length = readSync(loadDescriptor, loadBuffer, 0, loadBuffer.length, 0);
    const line = loadBuffer.toString("latin1", 0, length).trimEnd();
    const last = Number(line.slice(line.lastIndexOf(" ") + 1));
    return Number.isInteger(last) && last > 0 ? last : undefined;
  } catch {
    return undefined;
  }
}

/** Memory that a process has in pages of its own, and in those that others may have as well, in bytes. */
export type Resident = { ownBytes: number; sharedBytes: number };

/**
 * What is resident of a process: nothing once it has ended. Exact since Linux 6.16; before, as `ps` shows it, it may lack some hundred
 * kilobytes for each processor that it ran on (proc_pid_statm(5)).
 */
export function residentMemory(pid: number): Resident {
  const counts = readProcFile(`/proc/${pid}/statm`)?.split(" ", 3) ?? [];
  const [resident, shared] = [Number(counts[1] ?? 0), Number(counts[2] ?? 0)];
  // Where the kernel's counts are not exact they may contradict each other.
  return { ownBytes: Math.max(0, resident - shared) * pageSize(), sharedBytes: shared * pageSize() };
}

/** Whether no thread of a process can run: it is stopped (SIGSTOP, or traced), has ended, or is gone. */
export function isHalted(pid: number): boolean {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return true;
  }
  return threads.every((thread) => {
    try {
      const line = readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1");
      return HALTED.includes(parseStat(pid, line)?.state ?? "X");
    } catch {
      return true; // It ended between the list and the look.
    }
  });
}

const HALTED = ["T", "t", "Z", "X"];
