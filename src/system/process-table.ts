import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";

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

/** A stat line is at most 52 numbers and a short name. */
const STAT_BYTES = 1024;
const buffer = Buffer.allocUnsafeSlow(STAT_BYTES);
const STATUS_BYTES = 4096;
const statusBuffer = Buffer.allocUnsafeSlow(STATUS_BYTES);

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
  let descriptor: number;
  try {
    descriptor = openSync(`/proc/${pid}/stat`, "r");
  } catch {
    return undefined;
  }
  try {
    const length = readSync(descriptor, buffer, 0, STAT_BYTES, 0);
    return parseStat(pid, buffer.toString("latin1", 0, length));
  } catch {
    return undefined; // It ended between open and read: ESRCH.
  } finally {
    closeSync(descriptor);
  }
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
    cpuTicks: fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0),
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
  try {
    const numbers =
      /^NSpid:\t(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]?.split("\t") ?? [];
    return numbers.length > 1 ? Number(numbers.at(-1)) : undefined;
  } catch {
    return undefined;
  }
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

/** Stays open: it is looked at after every command, and opening it would take most of the time. */
let loadDescriptor: number | undefined;

/** The number that was given to the newest process or thread of this pid namespace (proc_loadavg(5)). */
export function newestProcessId(): number | undefined {
  try {
    loadDescriptor ??= openSync("/proc/loadavg", "r");
    const length = readSync(loadDescriptor, buffer, 0, STAT_BYTES, 0);
    const line = buffer.toString("latin1", 0, length).trimEnd();
    const last = Number(line.slice(line.lastIndexOf(" ") + 1));
    return Number.isInteger(last) && last > 0 ? last : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The proportional share of a process's memory in bytes: pages that it shares with others count in part. Where only the
 * owner may see that, what is resident.
 */
export function memoryBytes(pid: number): number {
  return kilobytesIn(pid, "smaps_rollup", "\nPss:") ?? kilobytesIn(pid, "status", "\nVmRSS:") ?? 0;
}

/** A pattern for each look at each process would take as long as the look. */
function kilobytesIn(pid: number, file: string, label: string): number | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(`/proc/${pid}/${file}`, "r");
  } catch {
    return undefined;
  }
  try {
    const text = statusBuffer.toString("latin1", 0, readSync(descriptor, statusBuffer, 0, STATUS_BYTES, 0));
    const at = text.indexOf(label);
    return at === -1 ? undefined : Number.parseInt(text.slice(at + label.length), 10) * 1024;
  } catch {
    return undefined; // It ended meanwhile, or only its owner may see that.
  } finally {
    closeSync(descriptor);
  }
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
