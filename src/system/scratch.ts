import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync } from "node:fs";
import { dirname } from "node:path";

import { systemReason } from "../errors.ts";
import { chmodSync, createSync, mkdirSync, rmSync } from "./changes.ts";
import { makeDirectory, syncDirectory } from "./durable.ts";
import { tryFlock } from "./flock.ts";
import { namesIn } from "./names-in.ts";
import { randomHex } from "./random-id.ts";

const O_PATH = 0o10_000_000;
const { O_DIRECTORY, O_NOFOLLOW } = constants;

export type Scratch = {
  /** An empty directory, mode 0700, on the home's file system. */
  path: string;
  /** Removes it. Safe to call twice. */
  dispose: () => void;
  [Symbol.dispose]: () => void;
};

/**
 * Makes a scratch directory under the home's `tmp/`. Its owner holds a kernel lock on `<name>.lock` beside it, so that
 * `sweepScratch` can tell what a crash left from what is in use.
 *
 * @param purpose one word for people who look: "stage", "dry-run"
 */
export function createScratch(tmp: string, purpose: string): Scratch {
  makeDirectory(tmp, 0o700);
  for (;;) {
    const path = `${tmp}/${purpose}-${randomHex(8)}`;
    const lock = createSync(`${path}.lock`, 0o600);
    // Somebody who looks may have come between the two lines: then the lock is taken, or its name is gone already.
    if (!tryFlock(lock, "exclusive") || fstatSync(lock).nlink === 0) {
      rmSync(`${path}.lock`, { force: true });
      closeSync(lock);
      continue;
    }
    mkdirSync(path, 0o700);
    return owned(path, lock);
  }
}

function owned(path: string, lock: number): Scratch {
  let isOpen = true;
  const dispose = () => {
    if (!isOpen) return;
    isOpen = false;
    removeTree(path);
    rmSync(`${path}.lock`, { force: true });
    closeSync(lock);
  };
  return { path, dispose, [Symbol.dispose]: dispose };
}

/** Removes the scratch directories whose owners are dead. Cheap when there are none. */
export function sweepScratch(tmp: string): void {
  for (const path of leftScratch(tmp)) {
    removeTree(path);
    rmSync(`${path}.lock`, { force: true });
  }
}

/** Whether there is anything to sweep. Cheap when there is no scratch, as nearly always; false where this user cannot tell. */
export function isScratchLeft(tmp: string): boolean {
  try {
    return leftScratch(tmp).some(() => true);
  } catch (thrown) {
    if (systemReason(thrown) === undefined) throw thrown;
    return false;
  }
}

/** The scratch directories whose owners are dead, each locked while the caller is at it. */
function* leftScratch(tmp: string): Generator<string, void> {
  for (const name of namesIn(tmp)) {
    const path = `${tmp}/${name}`;
    if (!name.endsWith(".lock")) {
      // In this order: whoever disposes of it removes its lock last.
      if (!exists(`${path}.lock`) && exists(path)) yield path;
      continue;
    }
    const lock = openIfExists(path, constants.O_RDONLY);
    if (lock === undefined) continue;
    try {
      if (tryFlock(lock, "exclusive")) yield path.slice(0, -".lock".length);
    } finally {
      closeSync(lock);
    }
  }
}

/**
 * Removes a directory tree even where directories in it are read-only, as stored trees are. Never follows a symlink.
 * What is not there is no error.
 */
export function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM") throw thrown;
    makeWritable(path);
    rmSync(path, { recursive: true, force: true });
  }
}

/** The same, and it does not come back after a power cut: also where it is gone already, since a crash may have come before. */
export function removeTreeDurably(path: string): void {
  removeTree(path);
  if (exists(dirname(path))) syncDirectory(dirname(path));
}

/** A pack may be at work there: no link is followed, also not one that is put there meanwhile. */
function makeWritable(directory: string): void {
  if (process.platform !== "linux") {
    openDirectories(directory);
    return;
  }
  const descriptor = openIfExists(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (descriptor === undefined) return;
  try {
    openDirectories(`/proc/self/fd/${descriptor}`);
  } finally {
    closeSync(descriptor);
  }
}

function openDirectories(directory: string): void {
  chmodSync(directory, 0o700);
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) makeWritable(`${directory}/${entry.name}`);
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function openIfExists(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return undefined;
    throw thrown;
  }
}
