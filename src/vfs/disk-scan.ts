import { closeSync, constants, openSync, rmdirSync, unlinkSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { type FileStat, isSameFile, statAt } from "../system/file-stat.ts";
import { tryFlock } from "../system/flock.ts";
import {
  allNames,
  coded,
  type DiskRoot,
  ifThere,
  isTemporary,
  MAX_DEPTH,
  openIfDirectory,
} from "./disk-root.ts";
import { type Usage } from "./mount.ts";
import { nameForCall, placeOf } from "./resolve.ts";

/** A file that is being written whole is touched all the time; one that is not for so long, and not locked, was left by a crash. */
export const ABANDONED_AFTER_MS = 60_000;

/** Visits everything below an open directory, without following links. Returns false as soon as `visit` does. */
function scan(directory: number, visit: (stat: FileStat, name: string) => boolean, depth: number): boolean {
  if (depth > MAX_DEPTH) throw tooDeep();
  for (const name of namesIfThere(directory)) {
    const stat = statAt(directory, nameForCall(name));
    if (!stat) continue;
    if (!visit(stat, name)) return false;
    const inner = stat.type === "directory" ? openIfDirectory(placeOf(directory, name)) : undefined;
    if (inner === undefined) continue;
    try {
      if (!scan(inner, visit, depth + 1)) return false;
    } finally {
      closeSync(inner);
    }
  }
  return true;
}

/** None in a directory that was removed since it was opened: Linux says then that there is no such directory. */
function namesIfThere(directory: number): string[] {
  return ifThere(() => allNames(directory)) ?? [];
}

/** What the files below a directory take, but for those that are not finished. */
export function diskUsage(directory: number): Usage {
  const usage = { bytes: 0, files: 0, entries: 0 };
  scan(
    directory,
    (stat, name) => {
      if (isTemporary(name)) return true;
      usage.entries++;
      if (stat.type === "file") {
        usage.files++;
        usage.bytes += stat.sizeBytes;
      }
      return true;
    },
    1,
  );
  return usage;
}

/**
 * Whether all names of a file are below the root. Only a look at everything can tell, so it is taken for files with several
 * names only, and ends when all were seen.
 */
export function hasAllNamesInside(root: DiskRoot, file: FileStat): boolean {
  let seen = 0;
  return !scan(
    root.descriptor,
    (stat) => {
      if (isSameFile(stat, file)) seen++;
      return seen < file.links;
    },
    1,
  );
}

function tooDeep(): AuroraError {
  return new AuroraError("too-large", `cannot go through a tree of more than ${MAX_DEPTH} directories`);
}

/** Removes a name with all that is below it, never through a link. What vanishes meanwhile is no error. */
export function removeBelow(directory: number, name: string, depth = 0): void {
  const place = placeOf(directory, name);
  if (depth >= MAX_DEPTH) throw tooDeep();
  const inner = openIfDirectory(place);
  if (inner === undefined) {
    ignoringAbsence(() => unlinkSync(place));
    return;
  }
  try {
    for (const child of namesIfThere(inner)) {
      const childPlace = placeOf(inner, child);
      if (statAt(inner, nameForCall(child))?.type === "directory") removeBelow(inner, child, depth + 1);
      else ignoringAbsence(() => unlinkSync(childPlace));
    }
  } finally {
    closeSync(inner);
  }
  ignoringAbsence(() => rmdirSync(place));
}

/** Removes an empty directory; what crashed writers left in it does not count. */
export function removeEmpty(directory: number, name: string, nowMs: number): void {
  const place = placeOf(directory, name);
  try {
    rmdirSync(place);
    return;
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw thrown;
  }
  const inner = openIfDirectory(place);
  if (inner === undefined) throw coded("ENOTEMPTY");
  try {
    if (sweepAbandoned(inner, nowMs) === 0) throw coded("ENOTEMPTY");
  } finally {
    closeSync(inner);
  }
  rmdirSync(place);
}

/** Removes unfinished files of dead writers from a directory, and returns how many there were. */
function sweepAbandoned(directory: number, nowMs: number): number {
  let removed = 0;
  for (const name of allNames(directory).filter(isTemporary)) {
    const place = placeOf(directory, name);
    const stat = statAt(directory, nameForCall(name));
    if (stat?.type !== "file" || nowMs - stat.modifiedMs < ABANDONED_AFTER_MS || isLocked(place)) continue;
    ignoringAbsence(() => unlinkSync(place));
    removed++;
  }
  return removed;
}

function isLocked(place: string | Buffer): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return true; // Whatever it is, it is not ours to remove.
  }
  try {
    return !tryFlock(descriptor, "exclusive");
  } finally {
    closeSync(descriptor);
  }
}

function ignoringAbsence(work: () => void): void {
  try {
    work();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
  }
}
