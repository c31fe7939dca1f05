import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";

import { groupMembers, killGroup, makeGroup, removeGroup, setGroup } from "../../system/control-group.ts";
import { readProcess } from "../../system/process-table.ts";
import { type Limits } from "./policy.ts";

/** A control group for one start: its directory is where the child is put. */
export type ControlGroup = {
  directory: string;
  /** Kills all that is in it. */
  kill: () => boolean;
  /** Removes it if it is empty; what cannot be removed yet is removed when the next one is made. */
  close: () => void;
};

/** What limits take from a control group: the whole tree counts together. */
type GroupLimits = Pick<Limits, "memory_bytes" | "processes">;

const OURS = "aurora-";
/** Where this process goes, so that its group has no process of its own and may have groups with limits below. */
export const SELF_GROUP = "aurora-self";
/** The launcher's relay and init are in the group as well. */
const ABOVE_COMMAND = 2;
const CONTROLLERS = ["memory", "pids"];
let count = 0;

/**
 * Makes a control group below this process's own with these limits.
 *
 * @param files see `controlGroupReason`
 * @throws where `controlGroupReason` has one
 */
export function openControlGroup(limits: GroupLimits, files = ""): ControlGroup {
  const parent = ownGroup(files);
  if (typeof parent === "string") throw new Error(parent);
  const { directory: above } = parent;
  delegate(above);
  removeForgotten(above);
  // A program that has become another program file counts anew, and its services are still in their groups.
  do count++;
  while (existsSync(nameOf(above)));
  const directory = nameOf(above);
  makeGroup(directory);
  setLimits(directory, limits);
  return { directory, kill: () => killGroup(directory), close: () => void removeGroup(directory) };
}

/**
 * Sets the limits of a start that an earlier program has made: they lapse while the controllers are switched off, as they are
 * when an older systemd starts the daemon again (see `systemdUnit`). What is in no group of ours, or of another place, is left
 * as it is.
 *
 * @param pid a process of it
 * @param files see `controlGroupReason`
 */
export function renewControlGroup(pid: number, limits: GroupLimits, files = ""): void {
  const parent = ownGroup(files);
  const directory = startGroupOf(pid, files);
  if (typeof parent === "string" || directory === undefined || dirname(directory) !== parent.directory)
    return;
  delegate(parent.directory);
  setLimits(directory, limits);
}

/**
 * The directory of the control group that was made for the start of a process; undefined where there is none.
 *
 * @param files see `controlGroupReason`
 */
export function startGroupOf(pid: number, files = ""): string | undefined {
  const directory = directoryOf(String(pid), files);
  return directory !== undefined && /^aurora-\d+-\d+$/.test(basename(directory)) ? directory : undefined;
}

/** Removes the groups of starts that have ended. */
export function removeForgottenGroups(files = ""): void {
  const parent = ownGroup(files);
  if (typeof parent !== "string") removeForgotten(parent.directory);
}

function removeForgotten(above: string): void {
  for (const name of readdirSync(above)) if (isForgotten(name)) removeGroup(`${above}/${name}`);
}

const nameOf = (above: string) => `${above}/${OURS}${process.pid}-${count}`;

function setLimits(directory: string, { memory_bytes: memory, processes }: GroupLimits): void {
  if (memory !== null) {
    setGroup(directory, "memory.max", String(memory));
    // Without a swap controller there is none to limit.
    trySet(directory, "memory.swap.max", "0");
    // One process less is a broken tree: all of it or nothing.
    trySet(directory, "memory.oom.group", "1");
  }
  if (processes !== null) setGroup(directory, "pids.max", String(processes + ABOVE_COMMAND));
}

/** Whether a group is one of ours, and of a process that is not about to put a child into it. */
function isForgotten(name: string): boolean {
  const maker = /^aurora-(\d+)-\d+$/.exec(name)?.[1];
  return maker !== undefined && (Number(maker) === process.pid || readProcess(Number(maker)) === undefined);
}

/** Switches the controllers on for the groups below: only a group without processes, or the topmost, may do that. */
function delegate(directory: string): void {
  if (hasControllers(directory)) return;
  const value = CONTROLLERS.map((name) => `+${name}`).join(" ");
  if (trySet(directory, "cgroup.subtree_control", value)) return;
  if (!existsSync(`${directory}/${SELF_GROUP}`)) makeGroup(`${directory}/${SELF_GROUP}`);
  for (const pid of groupMembers(directory))
    setGroup(`${directory}/${SELF_GROUP}`, "cgroup.procs", String(pid));
  setGroup(directory, "cgroup.subtree_control", value);
}

function trySet(directory: string, name: string, value: string): boolean {
  try {
    setGroup(directory, name, value);
    return true;
  } catch {
    return false;
  }
}

/** The directory of a process's group; undefined where there are none of version 2. */
function directoryOf(pid: string, files: string): string | undefined {
  const own = /^0::(.*)$/m.exec(read(`${files}/proc/${pid}/cgroup`))?.[1];
  const mount = /^\S+ \S+ \S+ (\S+) (\S+) .* - cgroup2 /m.exec(read(`${files}/proc/self/mountinfo`));
  if (own === undefined || mount === null) return undefined;
  const [, root = "/", point = ""] = mount;
  const inside = root === "/" ? own : own.slice(root.length);
  return `${files}${point}${inside}`.replace(/\/$/, "");
}

/** The group of this process, or of another one that makes groups for its starts; or why it is no use. */
function ownGroup(files: string, pid = "self"): { directory: string } | string {
  const place = directoryOf(pid, files);
  if (place === undefined) return "there is no control group of version 2";
  // Where this process has been moved once, the group above is the one that is delegated.
  const directory = place.endsWith(`/${SELF_GROUP}`) ? place.slice(0, -SELF_GROUP.length - 1) : place;
  const controllers = read(`${directory}/cgroup.controllers`).trim().split(/\s+/);
  const missing = CONTROLLERS.filter((name) => !controllers.includes(name));
  if (missing.length > 0) return `the controllers for ${missing.join(" and ")} are not in its control group`;
  return { directory };
}

/**
 * Why this process cannot make control groups with limits of their own; null where it can: a version 2 group that is
 * delegated to it, with the controllers for memory and processes (cgroups(7), "Delegation").
 *
 * @param files where /proc/self/cgroup, /proc/self/mountinfo and the groups are, for tests: a prefix
 * @param pid of another process, of the same user, for which it is asked: the daemon's, which runs services
 */
export function controlGroupReason(files = "", pid = process.pid): string | null {
  const own = ownGroup(files, pid === process.pid ? "self" : String(pid));
  if (typeof own === "string") return own;
  const { directory } = own;
  try {
    accessSync(directory, constants.W_OK);
    accessSync(`${directory}/cgroup.procs`, constants.W_OK);
  } catch {
    return "its control group is not delegated to this user";
  }
  const isTop = read(`${directory}/cgroup.type`) === "" && files === "";
  const others = groupMembers(directory).filter((other) => other !== pid);
  // To have groups with limits below, a group must have no process of its own; those of others are not ours to move.
  return isTop || others.length === 0 || hasControllers(directory)
    ? null
    : "its control group has other processes in it: Aurora needs one of its own, as a service with Delegate=yes has";
}

function hasControllers(directory: string): boolean {
  const on = read(`${directory}/cgroup.subtree_control`).trim().split(/\s+/);
  return CONTROLLERS.every((name) => on.includes(name));
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
