import { closeSync, constants, fstatSync, openSync, readlinkSync } from "node:fs";

import { openBeneath } from "../system/openat2.ts";
import { decodeName, encodeName } from "./raw-name.ts";

/** Linux's O_PATH and O_CLOEXEC, which node:fs does not name; the same on x64 and arm64. */
export const O_PATH = 0o10_000_000;
const O_CLOEXEC = 0o2_000_000;
const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** As the kernel counts them (path_resolution(7)). */
export const MAX_LINKS = 40;

/**
 * Opens what a path names below a directory, so that nothing outside can be reached: neither by a symlink, nor by a directory
 * that is exchanged for one meanwhile. Symlinks are followed while they stay inside.
 *
 * @param root descriptor of the directory
 * @param path relative; "." is the root itself. It may hold ".." where it comes from a symlink
 * @param flags open(2)'s, without O_CREAT; with O_NOFOLLOW a symlink at the end is opened itself (O_PATH) or refused
 * @returns a new descriptor, which the caller closes
 * @throws what node:fs throws; code EXDEV for a path that leads out
 */
export type Resolve = (root: number, path: string, flags: number) => number;

/** By the kernel: one call. */
export const resolveByKernel: Resolve = (root, path, flags) =>
  openBeneath(
    root,
    path.isWellFormed() ? path : (terminated(Buffer.from(encodeName(path))) as Buffer),
    flags | O_CLOEXEC,
    0,
  );

/**
 * By hand, name after name, where the kernel has no openat2(2) or a sandbox refuses it. Each directory is opened from the
 * descriptor of the one before and without following a link; links are read and followed here, and may only lead further down
 * or up to the root. After a link or ".." it starts again at the root, so that a directory which is moved meanwhile cannot
 * lead anywhere else.
 */
export const resolveByWalk: Resolve = (root, path, flags) => {
  let names = namesOf(path);
  let links = 0;
  let isDirectory = (flags & constants.O_DIRECTORY) !== 0;
  for (;;) {
    const step = walkOnce(root, names, isDirectory ? flags | constants.O_DIRECTORY : flags);
    if (typeof step === "number") return step;
    if ("up" in step) {
      if (step.up === 0) throw walkError("EXDEV");
      names.splice(step.up - 1, 2);
      continue;
    }
    if (++links > MAX_LINKS) throw walkError("ELOOP");
    // Absolute links lead out even when they come back in: a root may be moved.
    if (step.target.startsWith("/")) throw walkError("EXDEV");
    const isLast = step.at === names.length - 1;
    if (isLast && /(^|\/)\.{0,2}$/.test(step.target)) isDirectory = true;
    names = [...names.slice(0, step.at), ...namesOf(step.target), ...names.slice(step.at + 1)];
  }
};

type Step = number | { up: number } | { at: number; target: string };

/** One way down from the root: to its end, or to the first ".." or symlink. */
function walkOnce(root: number, names: readonly string[], flags: number): Step {
  let directory = root;
  try {
    for (const [i, name] of names.entries()) {
      if (name === "..") return { up: i };
      const place = placeOf(directory, name);
      const isLast = i === names.length - 1;
      const wanted = isLast ? flags : O_PATH | constants.O_DIRECTORY;
      let next: number;
      try {
        next = openSync(place, wanted | constants.O_NOFOLLOW);
      } catch (thrown) {
        const target = isLast && (flags & constants.O_NOFOLLOW) !== 0 ? undefined : linkTarget(place, thrown);
        if (target === undefined) throw thrown;
        return { at: i, target };
      }
      if (
        isLast &&
        (flags & O_PATH) !== 0 &&
        (flags & (constants.O_NOFOLLOW | constants.O_DIRECTORY)) === 0
      ) {
        // O_PATH with O_NOFOLLOW opens the link itself instead of refusing it.
        if (fstatSync(next).isSymbolicLink()) {
          closeSync(next);
          return { at: i, target: readLinkIfOne(place) ?? name };
        }
      }
      if (isLast) return next;
      if (directory !== root) closeSync(directory);
      directory = next;
    }
    return openSync(`/proc/self/fd/${root}/.`, flags);
  } finally {
    if (directory !== root) closeSync(directory);
  }
}

/**
 * Creates a file in an open directory, under a name that must not be there, and opens it for writing. It is not made by way of
 * /proc where the kernel looks names up itself: that costs as much as the creation.
 */
export function createIn(resolve: Resolve, directory: number, name: string, mode: number): number {
  return resolve === resolveByKernel
    ? openBeneath(directory, nameForCall(name), CREATE_FLAGS | O_CLOEXEC, mode)
    : openSync(placeOf(directory, name), CREATE_FLAGS, mode);
}

/** What the link says that made an open fail; undefined where it failed for another reason. */
function linkTarget(place: string | Buffer, thrown: unknown): string | undefined {
  const { code } = thrown as NodeJS.ErrnoException;
  return code === "ELOOP" || code === "ENOTDIR" ? readLinkIfOne(place) : undefined;
}

/** What a link says; undefined for what is none, or was exchanged for something else meanwhile. */
export function readLinkIfOne(place: string | Buffer): string | undefined {
  try {
    return decodeName(readlinkSync(place, { encoding: "buffer" }));
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "EINVAL" || code === "ENOENT") return undefined;
    throw thrown;
  }
}

/** A name in an open directory, for node:fs: nothing before the name can be exchanged. */
export function placeOf(directory: number, name: string): string | Buffer {
  const encoded = encodeName(name);
  const place = `/proc/self/fd/${directory}/`;
  return typeof encoded === "string" ? place + encoded : Buffer.concat([Buffer.from(place), encoded]);
}

/** One name as calls of the C library take it. */
export function nameForCall(name: string): string | Buffer {
  return terminated(encodeName(name));
}

/** The same for calls of the C library, which end bytes at a NUL byte and add it to texts themselves. */
export function terminated(place: string | Buffer): string | Buffer {
  return typeof place === "string" ? place : Buffer.concat([place, Buffer.of(0)]);
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function walkError(code: "EXDEV" | "ELOOP"): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code, syscall: "open" });
}

let chosen: Resolve | undefined;

/** What a kernel or a sandbox says that does not offer openat2(2). */
const NOT_OFFERED = ["ENOSYS", "EPERM", "EACCES", "EINVAL", "EOPNOTSUPP"];

/** The kernel's way where it works, else by hand. Found out once, on a directory that is open. */
export function chooseResolve(root: number): Resolve {
  if (chosen) return chosen;
  // By its number another system would do something else.
  if (process.platform !== "linux") return (chosen = resolveByWalk);
  try {
    closeSync(resolveByKernel(root, ".", O_PATH | constants.O_DIRECTORY));
    chosen = resolveByKernel;
  } catch (thrown) {
    const { code, errno } = thrown as NodeJS.ErrnoException;
    // Without an errno there is no C library to call. Too many open files say nothing about the call.
    if (errno !== undefined && !NOT_OFFERED.includes(code ?? "")) throw thrown;
    chosen = resolveByWalk;
  }
  return chosen;
}
