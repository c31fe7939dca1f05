import {
  chownSync,
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
} from "node:fs";

import { TEMPORARY_PREFIX } from "../system/durable.ts";
import { type FileStat, statAt, statDescriptor } from "../system/file-stat.ts";
import { type Accounting } from "./accounting.ts";
import { decodeName } from "./raw-name.ts";
import { MAX_LINKS, nameForCall, O_PATH, placeOf, readLinkIfOne, type Resolve } from "./resolve.ts";
import { splitPath, type VfsPath } from "./vfs-path.ts";

/*
 * Steps on a directory that nobody leaves. Paths are looked up below the root's descriptor; names are then used relative to the
 * descriptor of their directory, by way of /proc/self/fd, in calls that do not follow a link.
 */

export type DiskRoot = {
  /** The directory, opened with O_PATH. */
  descriptor: number;
  resolve: Resolve;
  /** Whether a file with names outside is refused: its content is that of something outside. */
  hasOwnFilesOnly: boolean;
  accounting: Accounting;
  /** Whom the directory belongs to, where that is not who we are: root gives what it creates to the owner. */
  owner: { uid: number; gid: number } | undefined;
};

/** A name in an open directory, which the caller closes; `old` is what is there now, never followed. */
export type Place = { directory: number; name: string; path: string | Buffer; old: FileStat | undefined };

/** How deep a recursive removal or count goes. */
export const MAX_DEPTH = 512;
/** Less the umask, but for a directory with a default ACL. */
const NEW_DIRECTORY_MODE = 0o770;
const DIRECTORY = O_PATH | constants.O_DIRECTORY;

/**
 * The directory of a path and its last name in it.
 *
 * @param links with "follow", a symlink at the last name is followed while it stays inside, so that the place returned holds
 * none; with "keep" it is the place
 * @throws what node:fs throws; EISDIR for what can only be a directory
 */
export function findPlace(root: DiskRoot, relative: string, links: "follow" | "keep"): Place {
  let path = relative;
  for (let followed = 0; ; followed++) {
    const { above, name } = splitPath(path);
    if (/^\.{0,2}$/.test(name)) {
      // A link may say "x/" or "x/..": that is a directory, or it is not there.
      closeSync(root.resolve(root.descriptor, path, DIRECTORY));
      throw coded("EISDIR");
    }
    const directory = root.resolve(root.descriptor, above, DIRECTORY);
    try {
      const place = placeOf(directory, name);
      const old = statAt(directory, nameForCall(name));
      if (links === "keep" || old?.type !== "symlink") return { directory, name, path: place, old };
      if (followed >= MAX_LINKS) throw coded("ELOOP");
      // Exchanged for something else meanwhile, it is looked at again.
      const target = readLinkIfOne(place) ?? name;
      if (target.startsWith("/")) throw coded("EXDEV");
      path = above === "." ? target : `${above}/${target}`;
    } catch (thrown) {
      closeSync(directory);
      throw thrown;
    }
    closeSync(directory);
  }
}

/** What the errors of a creation name. */
type Creation = { path: VfsPath; verb: string; isDurable: boolean };

/**
 * Creates a directory and those above it that are missing, and opens it.
 *
 * @returns its descriptor (O_PATH), which the caller closes
 */
export function openOrMake(root: DiskRoot, relative: string, creation: Creation): number {
  try {
    return root.resolve(root.descriptor, relative, DIRECTORY);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT" || relative === ".") throw thrown;
  }
  const { above, name } = splitPath(relative);
  const directory = openOrMake(root, above, creation);
  try {
    makeIn(root, directory, placeOf(directory, name), creation);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
  } finally {
    closeSync(directory);
  }
  return root.resolve(root.descriptor, relative, DIRECTORY);
}

/** Creates what `relative` lacks, so that a name can be put there. */
export function makeParents(root: DiskRoot, creation: Creation): void {
  const { above } = splitPath(creation.path.relative);
  closeSync(openOrMake(root, above, creation));
}

/** Creates one directory. Throws EEXIST. */
export function makeOne(root: DiskRoot, creation: Creation): void {
  const { directory, path, old } = findPlace(root, creation.path.relative, "keep");
  try {
    // Before the quota is asked: there is nothing to make.
    if (old) throw coded("EEXIST");
    makeIn(root, directory, path, creation);
  } finally {
    closeSync(directory);
  }
}

function makeIn(
  root: DiskRoot,
  directory: number,
  place: string | Buffer,
  { path, verb, isDurable }: Creation,
): void {
  root.accounting.grow({ bytes: 0, entries: 1 }, path, verb, () => mkdirSync(place, NEW_DIRECTORY_MODE));
  if (root.owner) {
    // Opened without following a link: what was put there meanwhile is at most another directory.
    const made = openIfDirectory(place);
    if (made !== undefined) {
      try {
        giveToOwner(root, made);
      } finally {
        closeSync(made);
      }
    }
  }
  if (isDurable) syncOpenDirectory(directory);
}

/** Gives a symlink that was just made to the owner; what was put in its place meanwhile stays as it is. */
export function giveLinkToOwner({ owner }: DiskRoot, path: string | Buffer): void {
  if (!owner) return;
  const descriptor = ifThere(() => openSync(path, O_PATH | constants.O_NOFOLLOW));
  if (descriptor === undefined) return;
  try {
    const stat = fstatSync(descriptor);
    if (stat.isSymbolicLink() && stat.nlink === 1)
      chownSync(`/proc/self/fd/${descriptor}`, owner.uid, owner.gid);
  } finally {
    closeSync(descriptor);
  }
}

/** As root, what is created in somebody's directory is theirs: a pack with a user of its own must be able to go on with it. */
export function giveToOwner({ owner }: DiskRoot, descriptor: number): void {
  if (owner) fchownSync(descriptor, owner.uid, owner.gid);
}

/** So often a directory is looked for that somebody moves all the time. */
const MAX_LOOKS = 100;

/**
 * Flushes the names in an open directory and in those above it, up to the root: whoever created them may not have. Which those
 * are is a question to the kernel, since a link may have led here; each is then opened from the root like any other. Where one
 * of them was moved meanwhile that is asked again, and of what was removed there is nothing to flush.
 */
export function syncUpwards(root: DiskRoot, directory: number): void {
  syncOpenDirectory(directory);
  for (let looks = 1; ; looks++) {
    try {
      return syncAbove(root, directory);
    } catch (thrown) {
      if (!isGone(thrown) || looks === MAX_LOOKS) throw thrown;
    }
  }
}

function syncAbove(root: DiskRoot, directory: number): void {
  const [top, here] = [pathNow(root.descriptor), pathNow(directory)];
  if (!here.startsWith(`${top === "/" ? "" : top}/`)) return;
  // Its name is one that it had.
  if (statDescriptor(directory).links === 0) return;
  let path = here.slice(top === "/" ? 1 : top.length + 1);
  while (path !== ".") {
    path = splitPath(path).above;
    const above = root.resolve(root.descriptor, path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(above);
    } finally {
      closeSync(above);
    }
  }
}

function pathNow(descriptor: number): string {
  return decodeName(readlinkSync(`/proc/self/fd/${descriptor}`, { encoding: "buffer" }));
}

/** What a look-up says of a name that was removed, or is something else by now. */
function isGone(thrown: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "ELOOP", "EXDEV"].includes((thrown as NodeJS.ErrnoException).code ?? "");
}

/** What a look finds; undefined where that was removed, or is something else by now. */
export function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (thrown) {
    if (isGone(thrown)) return undefined;
    throw thrown;
  }
}

/** The names in an open directory, as the disk has them. */
export function allNames(directory: number): string[] {
  const place = `/proc/self/fd/${directory}/.`;
  const names = readdirSync(place);
  if (!names.some((name) => name.includes("\ufffd"))) return names;
  return readdirSync(place, { encoding: "buffer" }).map(decodeName);
}

/** The same without unfinished files. */
export function shownNames(directory: number): string[] {
  const names = allNames(directory);
  return names.some(isTemporary) ? names.filter((name) => !isTemporary(name)) : names;
}

export function isTemporary(name: string): boolean {
  return name.startsWith(TEMPORARY_PREFIX);
}

/** Opens a name as a directory, or gives undefined for what is none or is gone: it may be exchanged at any moment. */
export function openIfDirectory(place: string | Buffer): number | undefined {
  return ifThere(() => openSync(place, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
}

/** Flushes the names in a directory that was opened with O_PATH. */
function syncOpenDirectory(directory: number): void {
  const descriptor = openSync(`/proc/self/fd/${directory}/.`, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** An error with an errno name, for `explain`. */
export function coded(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}
