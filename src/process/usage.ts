import { childIds } from "../system/child-processes.ts";
import {
  type ProcessEntry,
  processIds,
  readProcess,
  residentMemory,
  TICKS_PER_SECOND,
} from "../system/process-table.ts";
import { INIT_NAME, RELAY_NAME } from "./confinement/process-names.ts";

/** What belongs together: these processes, all of these sessions, and their descendants. */
export type UsageGroup = {
  pids: readonly number[];
  sessions: readonly number[];
  /**
   * All of it is below `pids`: the first process of a pid namespace is the parent of all in it that lose theirs. Sessions need not be
   * named then.
   */
  isWhole: boolean;
  /** Of what is whole, where that is known: the first process of its pid namespace, and the command below it, looked at just now. */
  inside?: { init: number; command: ProcessEntry };
};
export type Usage = { cpuSeconds: number; memoryBytes: number; processes: number };

/**
 * What groups of processes use: by a look at them where that is all of them, else by one look at the table of processes,
 * however many groups there are. The processor time of a process that has ended counts only where its parent is in the group and
 * has waited for it. Memory is that of `memoryOf`.
 */
export function usageOf<Key>(groups: ReadonlyMap<Key, UsageGroup>): Map<Key, Usage> {
  const members = membersOf(groups, entriesBelow);
  const usage = new Map<Key, Usage>();
  for (const [key, group] of groups) {
    const entries = members.get(key) ?? [];
    usage.set(key, {
      cpuSeconds: entries.reduce((sum, { cpuTicks }) => sum + cpuTicks, 0) / TICKS_PER_SECOND,
      memoryBytes: residentBytes(entries, group),
      processes: entries.length,
    });
  }
  return usage;
}

/**
 * The memory of groups of processes, in bytes: what is resident of them, without the launcher's own two processes, of some 30 kB. Pages
 * that several of a group may share are counted once, as those of the one that has the most of them.
 */
export function memoryOf<Key>(groups: ReadonlyMap<Key, UsageGroup>): Map<Key, number> {
  const members = membersOf(groups, commandsBelow);
  const memory = new Map<Key, number>();
  for (const [key, group] of groups) memory.set(key, residentBytes(members.get(key) ?? [], group));
  return memory;
}

function residentBytes(members: readonly ProcessEntry[], group: UsageGroup): number {
  let ownSum = 0;
  let sharedMost = 0;
  for (const member of members) {
    if (isOfLauncher(member, group)) continue;
    const { ownBytes, sharedBytes } = residentMemory(member.pid);
    ownSum += ownBytes;
    sharedMost = Math.max(sharedMost, sharedBytes);
  }
  return ownSum + sharedMost;
}

/** What the launcher leaves above a command: by its place, since any process may give itself such a name. */
function isOfLauncher({ name, pid, parent }: ProcessEntry, { pids, isWhole }: UsageGroup): boolean {
  if (name === RELAY_NAME) return pids.includes(pid);
  return name === INIT_NAME && isWhole && pids.includes(parent);
}

/**
 * The processes of groups: by a look at each where all of them are whole, else by one look at all that run.
 *
 * @param below those of a group that is whole; undefined where the kernel does not list children
 */
function membersOf<Key>(
  groups: ReadonlyMap<Key, UsageGroup>,
  below: (group: UsageGroup) => ProcessEntry[] | undefined,
): Map<Key, ProcessEntry[]> {
  const members = new Map<Key, ProcessEntry[]>();
  for (const [key, group] of groups) {
    const entries = group.isWhole ? below(group) : undefined;
    if (!entries) return membersByTable(groups);
    members.set(key, entries);
  }
  return members;
}

function entriesBelow({ pids }: UsageGroup): ProcessEntry[] | undefined {
  return withDescendants(pids.flatMap((pid) => readProcess(pid) ?? []));
}

/** The same; what is above the command is left out where that is known, since it would take as many looks again. */
function commandsBelow(group: UsageGroup): ProcessEntry[] | undefined {
  const { inside } = group;
  if (!inside) return entriesBelow(group);
  const entries = [inside.command];
  const children = childIds(inside.init, 1);
  if (!children) return undefined;
  for (const pid of children) {
    const orphan = pid === inside.command.pid ? undefined : readProcess(pid);
    if (orphan) entries.push(orphan);
  }
  return withDescendants(entries);
}

/** Adds all that is below these processes; undefined where the kernel does not list children. */
function withDescendants(entries: ProcessEntry[]): ProcessEntry[] | undefined {
  const seen = new Set<number>();
  // It meets what is added on the way.
  for (const { pid, threads } of entries) {
    seen.add(pid);
    const children = childIds(pid, threads);
    if (!children) return undefined;
    for (const child of children) {
      const entry = seen.has(child) ? undefined : readProcess(child);
      seen.add(child);
      if (entry) entries.push(entry);
    }
  }
  return entries;
}

function membersByTable<Key>(groups: ReadonlyMap<Key, UsageGroup>): Map<Key, ProcessEntry[]> {
  const entries = processIds().flatMap((pid) => readProcess(pid) ?? []);
  const byPid = new Map(entries.map((entry) => [entry.pid, entry]));
  const owners = new Map<number, Key>();
  const ownerBySession = new Map<number, Key>();
  for (const [key, { pids, sessions }] of groups) {
    for (const pid of pids) owners.set(pid, key);
    for (const session of sessions) ownerBySession.set(session, key);
  }
  const members = new Map<Key, ProcessEntry[]>();
  for (const entry of entries) {
    const owner = ownerOf(entry, byPid, owners, ownerBySession);
    if (owner === undefined) continue;
    const others = members.get(owner);
    if (others) others.push(entry);
    else members.set(owner, [entry]);
  }
  return members;
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
