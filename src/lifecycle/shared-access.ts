import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats } from "node:fs";

import { AuroraError, systemReason } from "../errors.ts";
import { namesIfStill } from "../system/names-in.ts";
import { setUserAccess, userAccess } from "../system/posix-acl.ts";

/*
 * Where packs run as users of their own, a part of one pack's data is opened to another by ACLs: to what is there, and, by the
 * default ACLs of the directories, to what will be. The giver may be at work there, and what it makes may be a trap:
 * everything is opened from the descriptor of its directory without following a link, and what has a second name, or belongs
 * to somebody else than the two, stays as it is.
 */

const O_CLOEXEC = 0o2_000_000;
const O_PATH = 0o10_000_000;
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
const SEARCH = 1;
const bits = { ro: { file: 4, directory: 5 }, rw: { file: 6, directory: 7 } } as const;
const MAX_DEPTH = 512;

/** Which part of a pack's data, and who else is to have it. */
export type SharedPart = { data: string; source: string; uid: number; mode: "ro" | "rw" };

/** The directory that a pack shares, where it is one, reached through directories only: else undefined. */
export function sharedDirectory(data: string, source: string): string | undefined {
  let path = data;
  for (const name of ["", ...source.split("/").filter(Boolean)]) {
    if (name !== "") path += `/${name}`;
    try {
      if (!lstatSync(path).isDirectory()) return undefined;
    } catch {
      return undefined;
    }
  }
  return path;
}

/**
 * Lets a user into a part of a pack's data: root does so. Where it has been done, nothing is done.
 *
 * @throws {AuroraError} `not-supported` where the file system has no ACLs
 */
export function openShare({ data, source, uid, mode }: SharedPart): void {
  const owner = lstatSync(data).uid;
  if (owner === uid) return;
  const users = [owner, uid];
  withWay(data, source, (way, shared) => {
    for (const directory of way) {
      const before = userAccess(directory, "access", uid);
      if (before === undefined) setUserAccess(directory, "access", uid, SEARCH);
    }
    if (
      userAccess(shared, "default", uid) === bits[mode].directory &&
      userAccess(shared, "access", uid) === bits[mode].directory
    )
      return;
    inside(shared, users, 0, (path, stat) => {
      if (stat.isDirectory()) {
        for (const user of users)
          setUserAccess(path, "default", user, user === uid ? bits[mode].directory : 7);
        setUserAccess(path, "access", uid, bits[mode].directory);
      } else setUserAccess(path, "access", uid, bits[mode].file | ((stat.mode >> 6) & 1));
    });
  });
}

/**
 * Keeps a user out of a part of a pack's data again, also of what was made there meanwhile. Where there are no ACLs nobody was let
 * in.
 */
export function closeShare({ data, source, uid }: Omit<SharedPart, "mode">): void {
  const owner = lstatSync(data, { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner === uid) return;
  withWay(data, source, (way, shared) => {
    // From the outside in: from the first moment on nobody gets there.
    if (!hasAcls(shared)) return;
    for (const directory of way) setUserAccess(directory, "access", uid, undefined);
    inside(shared, [owner, uid], 0, (path, stat) => {
      setUserAccess(path, "access", uid, undefined);
      if (stat.isDirectory()) setUserAccess(path, "default", uid, undefined);
    });
  });
}

/** Opens all on the way to a shared directory. Where it is not there, or no directory, nothing is done. */
function withWay(data: string, source: string, work: (way: string[], shared: string) => void): void {
  const opened: number[] = [];
  try {
    let path = data;
    for (const name of ["", ...source.split("/").filter(Boolean)]) {
      if (name !== "") path = `${pathOf(opened.at(-1) as number)}/${name}`;
      opened.push(openSync(path, DIRECTORY));
    }
    const paths = opened.map(pathOf);
    work(paths.slice(0, -1), paths.at(-1) as string);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return;
    if (code === "EOPNOTSUPP") throw noAcls(source, thrown);
    const reason = systemReason(thrown);
    if (reason === undefined) throw thrown;
    throw new AuroraError("io", `cannot share "${source}": ${reason}`, { cause: thrown });
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/**
 * Refuses to share a part of a pack's data where that cannot be done.
 *
 * @throws {AuroraError} `not-supported` where the file system has no ACLs
 */
export function requireAcls(data: string, source: string): void {
  if (!hasAcls(data)) throw noAcls(source);
}

function hasAcls(directory: string): boolean {
  try {
    userAccess(directory, "access", 0);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EOPNOTSUPP") return false;
    throw thrown;
  }
}

function noAcls(source: string, cause?: unknown): AuroraError {
  return new AuroraError(
    "not-supported",
    `cannot share "${source}": the file system of the home has no ACLs`,
    {
      hint: "put the home on one that has, as ext4, xfs and btrfs do",
      cause,
    },
  );
}

const pathOf = (descriptor: number) => `/proc/self/fd/${descriptor}`;

/** Depth first: the shared directory itself comes last, as the sign that all of it is done. */
function inside(
  directory: string,
  users: readonly number[],
  depth: number,
  change: (path: string, stat: Stats) => void,
): void {
  if (depth > MAX_DEPTH) return;
  for (const name of namesIfStill(directory)) {
    const opened = openOwn(`${directory}/${name}`, users);
    if (opened === undefined) continue;
    try {
      const stat = fstatSync(opened);
      if (stat.isDirectory()) inside(pathOf(opened), users, depth + 1, change);
      else change(pathOf(opened), stat);
    } finally {
      closeSync(opened);
    }
  }
  const stat = lstatSync(`${directory}/.`);
  if (users.includes(stat.uid)) change(directory, stat);
}

/** A directory, or a file with this one name, of one of the two: else undefined. */
function openOwn(path: string, users: readonly number[]): number | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  } catch {
    return undefined; // It has gone meanwhile.
  }
  const stat = fstatSync(descriptor);
  const isOwn = users.includes(stat.uid) && (stat.isDirectory() || (stat.isFile() && stat.nlink === 1));
  if (isOwn) return descriptor;
  closeSync(descriptor);
  return undefined;
}
