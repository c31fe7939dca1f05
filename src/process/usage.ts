import { childIds } from "../system/child-processes.ts";
import {
  memoryBytes,
  type ProcessEntry,
  processIds,
  readProcess,
  TICKS_PER_SECOND,
} from "../system/process-table.ts";

/** What belongs together: these processes, all of these sessions, and their descendants. */
export type UsageGroup = {
  pids: readonly number[];
  sessions: readonly number[];
  /**
   * All of it is below `pids`: the first process of a pid namespace is the parent of all in it that lose theirs. Sessions need not be
   * named then.
   */
  isWhole: boolean;
};
export type Usage = { cpuSeconds: number; memoryBytes: number; processes: number };

/**
 * What groups of processes use: by a look at them where that is all of them, else by one look at the table of processes,
 * however many groups there are. The processor time of a
 * process that has ended counts only where its parent is in the group and has waited for it.
 */
export function usageOf<Key>(groups: ReadonlyMap<Key, UsageGroup>): Map<Key, Usage> {
  const entries = entriesBelow(groups) ?? processIds().flatMap((pid) => readProcess(pid) ?? []);
  const byPid = new Map(entries.map((entry) => [entry.pid, entry]));
  const owners = new Map<number, Key>();
  const ownerBySession = new Map<number, Key>();
  for (const [key, { pids, sessions }] of groups) {
    for (const pid of pids) owners.set(pid, key);
    for (const session of sessions) ownerBySession.set(session, key);
  }
  const used = new Map<Key, Usage>(
    [...groups.keys()].map((key) => [key, { cpuSeconds: 0, memoryBytes: 0, processes: 0 }]),
  );
  for (const entry of entries) {
    const owner = ownerOf(entry, byPid, owners, ownerBySession);
    const usage = owner === undefined ? undefined : used.get(owner);
    if (!usage) continue;
    usage.cpuSeconds += entry.cpuTicks / TICKS_PER_SECOND;
    usage.memoryBytes += memoryBytes(entry.pid);
    usage.processes++;
  }
  return used;
}

/** The processes of groups that are whole; undefined where one is not, or the kernel does not list children. */
function entriesBelow<Key>(groups: ReadonlyMap<Key, UsageGroup>): ProcessEntry[] | undefined {
  const pids = new Set<number>();
  for (const group of groups.values()) {
    if (!group.isWhole) return undefined;
    for (const pid of group.pids) pids.add(pid);
  }
  const entries: ProcessEntry[] = [];
  // A set's iteration meets what is added on the way.
  for (const pid of pids) {
    const entry = readProcess(pid);
    if (!entry) continue;
    entries.push(entry);
    const children = childIds(pid, entry.threads);
    if (!children) return undefined;
    for (const child of children) pids.add(child);
  }
  return entries;
}

/** The group of a process: its own, its session's, or that of the nearest one above it which has any. */
function ownerOf<Key>(
  entry: ProcessEntry,
  byPid: ReadonlyMap<number, ProcessEntry>,
  owners: ReadonlyMap<number, Key>,
  ownerBySession: ReadonlyMap<number, Key>,
): Key | undefined {
  let current: ProcessEntry | undefined = entry;
  // A number may be given out anew while the table is read: no chain is longer than the table.
  for (let depth = 0; current && depth <= byPid.size; depth++) {
    const owner = owners.get(current.pid) ?? ownerBySession.get(current.session);
    if (owner !== undefined) return owner;
    current = byPid.get(current.parent);
  }
  return undefined;
}
