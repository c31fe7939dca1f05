import { readdirSync, readFileSync } from "node:fs";

import { processIds, readCommandLine, readProcess } from "../../../src/system/process-table.ts";

/** A process and all below it. */
export function treeOf(root: number): number[] {
  const parents = new Map(processIds().map((pid) => [pid, readProcess(pid)?.parent ?? 0]));
  const found = new Set([root]);
  for (let before = 0; before !== found.size;) {
    before = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** The supervisor's own processes: its tree without the services. */
export function ownProcesses(root: number): number[] {
  return treeOf(root).filter((pid) => readCommandLine(pid) !== "sleep infinity");
}

export type Memory = { pssKb: number; rssKb: number; anonymousKb: number };

export function memoryOf(pids: readonly number[]): Memory {
  const sum = (values: number[]) => Math.round(values.reduce((total, value) => total + value, 0) / 1024);
  return {
    pssKb: sum(pids.map((pid) => field(pid, "Pss"))),
    rssKb: sum(pids.map((pid) => field(pid, "Rss"))),
    anonymousKb: sum(pids.map((pid) => field(pid, "Anonymous"))),
  };
}

function field(pid: number, name: string): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Processor time of each thread in nanoseconds, which the whole process only has to 10 ms. */
export function threadTimes(pids: readonly number[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const pid of pids)
    for (const thread of threadsOf(pid)) {
      try {
        const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1");
        times.set(`${pid}/${thread}`, Number(text.split(" ", 1)[0]));
      } catch {
        continue; // It has ended.
      }
    }
  return times;
}

/** Processor time in milliseconds since `before`, of the threads that are still there. */
export function cpuMs(pids: readonly number[], before: ReadonlyMap<string, number> = new Map()): number {
  let total = 0;
  for (const [thread, time] of threadTimes(pids)) total += time - (before.get(thread) ?? 0);
  return total / 1e6;
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}
