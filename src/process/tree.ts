import { bootId } from "../system/boot.ts";
import { groupMembers } from "../system/control-group.ts";
import {
  type ProcessEntry,
  readCommandLine,
  readProcess,
  readSettledEnvironment,
} from "../system/process-table.ts";
import { signalProcess } from "../system/signal-process.ts";
import { isAboveCommand } from "./confinement/process-names.ts";
import { lookAtAll } from "./look-at-all.ts";

/** Names one process for good: a number is given out again, but not with the same start time in the same boot. */
export type ProcessIdentity = {
  pid: number;
  /** Clock ticks since boot, `/proc/PID/stat` field 22. */
  startTime: number;
  bootId: string;
  command: string;
};

/** What belongs to a tree: whatever has all of `environment`, or is in the group, or in the session. */
export type TreeMatch = {
  /** Variables a process was started with. They pass to children, so a daemon that left group and session has them too. */
  environment?: Readonly<Record<string, string>>;
  processGroup?: number;
  session?: number;
  /** This process, and with it its descendants. */
  root?: ProcessIdentity;
  /** Whoever is in this control group: its directory. */
  controlGroup?: string;
};

/** Where waiting takes its time from; tests pass their own. */
type TreeClock = { now: () => number; sleep: (ms: number) => Promise<void> };

export type StopOptions = {
  /** The first signal. */
  signal: NodeJS.Signals;
  /** So long the tree has to end after it, in milliseconds, before it gets SIGKILL. */
  timeoutMs: number;
  /** So long it may take to vanish after SIGKILL, in milliseconds. */
  killTimeoutMs?: number;
  /** Kills all of it at once where something can: its control group. */
  killAll?: () => void;
  clock?: TreeClock;
};

export type StopResult = {
  /** Every process that was signalled. */
  stopped: ProcessIdentity[];
  /** Of these, the ones that got SIGKILL. */
  killed: ProcessIdentity[];
  /** What is still there at the end: in an uninterruptible wait, or another user's. */
  survivors: ProcessIdentity[];
};

const DEFAULT_KILL_TIMEOUT_MS = 5_000;
/** Pauses between looks: short at first, since most processes end at once. */
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 50;

const realClock: TreeClock = { now: () => performance.now(), sleep: (ms) => Bun.sleep(ms) };

/**
 * Finds the living processes of a tree, with the children of those that match, at whatever depth. This process, those
 * above it, and zombies are never among them.
 *
 * @param after only processes whose numbers were given out after this one, which cannot have come round since
 */
export function findProcesses(match: TreeMatch, after?: number): ProcessIdentity[] {
  return lookAtAll((pids) => findAmong(pids, match), after);
}

function findAmong(candidates: Iterable<number>, match: TreeMatch): ProcessIdentity[] {
  const needles = Object.entries(match.environment ?? {}).map(([name, value]) =>
    Buffer.from(`\0${name}=${value}\0`),
  );
  const members = match.controlGroup === undefined ? undefined : new Set(groupMembers(match.controlGroup));
  const entries: ProcessEntry[] = [];
  const found = new Map<number, ProcessEntry>();
  for (const pid of candidates) {
    const entry = readProcess(pid);
    if (!entry || !isLiving(entry)) continue;
    entries.push(entry);
    if (matches(entry, match) || members?.has(pid) || hasAll(entry, needles)) found.set(pid, entry);
  }
  // Most looks find nothing, and then it does not matter who may not be found.
  if (found.size === 0) return [];
  const spared = selfAndAncestors();
  for (const pid of spared) found.delete(pid);
  addDescendants(
    found,
    entries.filter(({ pid }) => !spared.has(pid)),
  );
  const bootId = currentBoot();
  return [...found.values()].map(({ pid, startTime, name }) => ({
    pid,
    startTime,
    bootId,
    command: commandOf(pid, name),
  }));
}

/** The command line; of what is above a command its name, since its command line is the command's. */
function commandOf(pid: number, name: string): string {
  return (isAboveCommand(name) ? undefined : readCommandLine(pid)) ?? `[${name}]`;
}

/** Those of a tree who get a signal: without who would pass it on to a command which gets it as well. */
export function signalled(tree: readonly ProcessIdentity[]): readonly ProcessIdentity[] {
  const commands = tree.filter(({ command }) => !isAboveCommand(command));
  return commands.length > 0 ? commands : tree;
}

/** Whether this very process is still alive. A zombie is not. */
export function isAlive(identity: Pick<ProcessIdentity, "pid" | "startTime" | "bootId">): boolean {
  return livingProcess(identity) !== undefined && currentBoot() === identity.bootId;
}

/** What the kernel says of the process that has had this number since this time; undefined where that has ended. */
export function livingProcess({
  pid,
  startTime,
}: Pick<ProcessIdentity, "pid" | "startTime">): ProcessEntry | undefined {
  const entry = readProcess(pid);
  return entry && isLiving(entry) && entry.startTime === startTime ? entry : undefined;
}

/** The identity of a process that runs now, or undefined. */
export function identify(pid: number): ProcessIdentity | undefined {
  const entry = readProcess(pid);
  if (!entry || !isLiving(entry)) return undefined;
  const { startTime, name } = entry;
  return { pid, startTime, bootId: currentBoot(), command: commandOf(pid, name) };
}

/**
 * Ends a tree: the signal to all of it, time to end, then SIGKILL, again and again until a new look finds nothing, so that
 * what was forked meanwhile is met as well. Stopped (SIGSTOP) processes are woken so that they can act on the signal.
 * Returns when the tree is empty or `timeoutMs + killTimeoutMs` have passed.
 *
 * @param find looks for the tree's processes anew
 */
export async function stopTree(find: () => ProcessIdentity[], options: StopOptions): Promise<StopResult> {
  const { signal, timeoutMs, killTimeoutMs = DEFAULT_KILL_TIMEOUT_MS, clock = realClock } = options;
  const stopped = new Map<string, ProcessIdentity>();
  const killed = new Map<string, ProcessIdentity>();
  const started = clock.now();
  let tree = find();
  while (tree.length > 0 && clock.now() - started < timeoutMs) {
    for (const identity of signalled(tree)) {
      if (stopped.has(keyOf(identity))) continue;
      stopped.set(keyOf(identity), identity);
      send(identity, signal);
      send(identity, "SIGCONT");
    }
    await vanish(tree, started + timeoutMs, clock);
    tree = find();
  }
  const killStarted = clock.now();
  while (tree.length > 0 && clock.now() - killStarted < killTimeoutMs) {
    options.killAll?.();
    for (const identity of signalled(tree)) {
      stopped.set(keyOf(identity), identity);
      killed.set(keyOf(identity), identity);
      send(identity, "SIGKILL");
    }
    // New ones may be forked all the time, so the next look comes soon.
    await vanish(tree, Math.min(clock.now() + LONGEST_PAUSE_MS, killStarted + killTimeoutMs), clock);
    tree = find();
  }
  return { stopped: [...stopped.values()], killed: [...killed.values()], survivors: tree };
}

/** Sends a signal to this very process and to no other that has got its number. False where it is gone. */
export function send(identity: ProcessIdentity, signal: NodeJS.Signals | 0): boolean {
  return signalProcess(identity.pid, signal, () => isAlive(identity));
}

/** Waits until all of `tree` are gone, or `deadline`. */
async function vanish(tree: readonly ProcessIdentity[], deadline: number, clock: TreeClock): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS;
  while (tree.some((identity) => isAlive(identity))) {
    const restMs = deadline - clock.now();
    if (restMs <= 0) return;
    await clock.sleep(Math.min(pauseMs, restMs));
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

let knownBoot: string | undefined;
/** This process lives within one boot, so its id is read once. */
const currentBoot = () => (knownBoot ??= bootId());

function isLiving({ state }: ProcessEntry): boolean {
  return state !== "Z" && state !== "X";
}

function matches({ pid, startTime, processGroup, session }: ProcessEntry, match: TreeMatch): boolean {
  return (
    processGroup === match.processGroup ||
    session === match.session ||
    (pid === match.root?.pid && startTime === match.root.startTime)
  );
}

function hasAll({ pid, isKernelThread }: ProcessEntry, needles: readonly Buffer[]): boolean {
  if (needles.length === 0 || isKernelThread) return false;
  const environment = readSettledEnvironment(pid);
  return environment !== undefined && needles.every((needle) => environment.includes(needle));
}

/** A child that has cleared its environment and made its own session still has its parent. */
function addDescendants(found: Map<number, ProcessEntry>, entries: readonly ProcessEntry[]): void {
  for (let sizeBefore = -1; sizeBefore !== found.size;) {
    sizeBefore = found.size;
    for (const entry of entries) if (found.has(entry.parent)) found.set(entry.pid, entry);
  }
}

function selfAndAncestors(): Set<number> {
  const pids = new Set([process.pid, 1]);
  for (let parent = process.ppid; parent > 1 && !pids.has(parent);) {
    pids.add(parent);
    parent = readProcess(parent)?.parent ?? 0;
  }
  return pids;
}

function keyOf({ pid, startTime }: ProcessIdentity): string {
  return `${pid}.${startTime}`;
}
