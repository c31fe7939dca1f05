import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";

import { AuroraError, systemReason } from "../errors.ts";
import { packUser, packUserReason } from "../process/confinement/pack-user.ts";
import { isAlive } from "../process/tree.ts";
import { takePackUser, userOfPack, usersOfPacks } from "../registry/pack-users.ts";
import { openRegistry } from "../registry/registry.ts";
import { serviceConfinements, serviceOf } from "../registry/services.ts";
import { bootId } from "../system/boot.ts";
import { namesIfStill } from "../system/names-in.ts";
import { storedConfinement, storedProcesses } from "./observe-service.ts";
import { type Purpose } from "./pack-process.ts";
import { type ScriptPack } from "./script.ts";
import { type Workspace } from "./workspace.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const O_PATH = 0o10_000_000;
const SEARCH_FOR_ALL = 0o011;
const SEARCH_FOR_OTHERS = 0o001;
/** The store's trees are everybody's by their modes; a tree whose pack has a user is closed to all others. */
const TREE_MODE = 0o550;

/**
 * The user that a pack's processes run as, and the group of the same number, where Aurora is root's; undefined where they run as
 * the caller. A pack keeps its number for good: what it has written belongs to it.
 *
 * @param isKept whether a number that is given for the first time is recorded
 */
export function userOf(
  workspace: Workspace,
  pack: ScriptPack,
  purpose: Purpose,
  isKept: boolean,
): number | undefined {
  if (process.geteuid?.() !== 0 || pack.allowAll) return undefined;
  const running = purpose === "start" || pack.isDryRun ? undefined : runningUser(workspace, pack);
  if (running !== undefined) return running === 0 ? undefined : running;
  if (pack.permissions.root || packUserReason(true) !== null) return undefined;
  // A user who cannot get to the home, or to this program, could do nothing.
  if ([workspace.paths.home, process.execPath].some((path) => isClosed(workspace, path))) return undefined;
  const { id } = pack.manifest.pack;
  const known = userOfPack(workspace.registry, id);
  if (known !== undefined) return known;
  if (!isKept) return packUser(id, new Set(usersOfPacks(workspace.registry).values()));
  // The caller's may be open for reading only.
  using registry = openRegistry(workspace.paths);
  return takePackUser(registry, id, (taken) => packUser(id, taken));
}

/**
 * Whom what a start has left running runs as, 0 for root; undefined where nothing runs. Until the next start the pack's other
 * scripts are the same: they signal it and share its files, and an older version may have started it as root.
 */
function runningUser({ registry }: Workspace, pack: ScriptPack): number | undefined {
  const { id } = pack.manifest.pack;
  const row = serviceOf(registry, id);
  // Also while it is being stopped, which is what its stop script is for.
  if (row?.boot_id !== bootId()) return undefined;
  if (!storedProcesses(row.processes).some((identity) => isAlive(identity))) return undefined;
  const summary = serviceConfinements(registry).get(id);
  if (summary === undefined) return 0;
  const stored = storedConfinement(summary);
  // Where it is damaged it is the user that it would be started as.
  return stored === null ? undefined : (stored.user ?? 0);
}

/** The groups of packs, by which those that depend on them may read their trees. */
export function groupsOf({ registry }: Workspace, packIds: readonly string[]): number[] {
  const users = usersOfPacks(registry);
  return packIds.flatMap((packId) => users.get(packId) ?? []);
}

/** Whether a directory above the home, which is not ours to open, is closed to other users. */
function isClosed({ homeOnDisk, paths }: Workspace, path: string): boolean {
  const home = homeOnDisk ?? paths.home;
  for (
    let directory = path === paths.home ? dirname(home) : dirname(path);
    ;
    directory = dirname(directory)
  ) {
    const stat = statSync(directory, { throwIfNoEntry: false });
    if (stat !== undefined && (stat.mode & SEARCH_FOR_OTHERS) === 0) return true;
    if (directory === "/") return false;
  }
}

/**
 * Gives back to root what belongs to a pack that runs as root now: without capabilities not even root could read it. Unconfined,
 * root can, and a service that still runs as the pack's user needs its files: then it is only marked, by its group, that root
 * has been there.
 *
 * @param more directories that are the pack's as its data is
 */
export function giveToRoot(pack: ScriptPack, more: readonly string[]): void {
  for (const directory of [pack.dataDirectory, pack.logDirectory, ...more]) {
    const { uid } = lstatSync(directory);
    if (uid === 0) continue;
    if (pack.allowAll) lchownSync(directory, uid, 0);
    else giveTree(directory, 0);
  }
}

/**
 * Gives a pack's user what is the pack's: its data, its logs and its scratch, and in a dry run the copy of the tree; and opens
 * the way to them, for passing through only. The store's tree it may read, as its group.
 *
 * @param more directories that are the pack's as its data is: its scratch, its memory
 */
export function giveToUser(
  workspace: Workspace,
  pack: ScriptPack,
  more: readonly string[],
  uid: number,
): void {
  const own = [
    pack.dataDirectory,
    pack.logDirectory,
    ...more,
    ...(pack.isDryRun ? [pack.packDirectory] : []),
  ];
  for (const directory of own) {
    const stat = lstatSync(directory);
    if (stat.uid !== uid || stat.gid !== uid) giveTree(directory, uid);
  }
  const tree = pack.isDryRun ? [] : [pack.packDirectory];
  for (const directory of tree) {
    const stat = lstatSync(directory);
    if (stat.gid === uid && (stat.mode & 0o7777) === TREE_MODE) continue;
    lchownSync(directory, 0, uid);
    chmodSync(directory, TREE_MODE);
  }
  const home = workspace.homeOnDisk ?? workspace.paths.home;
  const links = pack.isDryRun ? [] : [workspace.paths.liveLink(pack.manifest.pack.id)];
  for (const directory of new Set([...own, ...tree, ...links].flatMap((path) => waysBetween(home, path)))) {
    const { mode } = lstatSync(directory);
    if ((mode & SEARCH_FOR_ALL) !== SEARCH_FOR_ALL) chmodSync(directory, (mode & 0o7777) | SEARCH_FOR_ALL);
  }
}

function waysBetween(home: string, path: string): string[] {
  if (!path.startsWith(`${home}/`)) return [];
  const ways: string[] = [];
  for (let directory = dirname(path); directory.length >= home.length; directory = dirname(directory))
    ways.push(directory);
  return ways;
}

/**
 * Changes the owner of a directory and all in it. A process of the pack may be at work there: everything is named from the
 * descriptor of its directory, and no link is followed. What has a second name may be somebody else's, and stays as it is.
 */
function giveTree(directory: string, uid: number): void {
  let descriptor: number;
  try {
    descriptor = openSync(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
  } catch (thrown) {
    const reason = systemReason(thrown) ?? String(thrown);
    throw new AuroraError("denied", `cannot confine: cannot give "${directory}" to user ${uid}: ${reason}`, {
      cause: thrown,
    });
  }
  try {
    giveInside(`/proc/self/fd/${descriptor}`, uid);
    // Last, as the sign that all of it is done.
    lchownSync(directory, uid, uid);
  } finally {
    closeSync(descriptor);
  }
}

function giveInside(directory: string, uid: number): void {
  for (const name of namesIfStill(directory)) {
    const path = `${directory}/${name}`;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    if (stat.isDirectory()) giveDirectory(path, uid);
    else if (stat.uid !== uid) giveFile(path, uid);
  }
}

/** What is given is what was looked at, whatever has its name by then. */
function giveFile(path: string, uid: number): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, O_PATH | O_NOFOLLOW);
  } catch {
    return; // It has gone meanwhile.
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isDirectory() && stat.nlink === 1) chownSync(`/proc/self/fd/${descriptor}`, uid, uid);
  } finally {
    closeSync(descriptor);
  }
}

function giveDirectory(path: string, uid: number): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    return; // It has become something else meanwhile.
  }
  try {
    giveInside(`/proc/self/fd/${descriptor}`, uid);
    lchownSync(`/proc/self/fd/${descriptor}/.`, uid, uid);
  } finally {
    closeSync(descriptor);
  }
}
