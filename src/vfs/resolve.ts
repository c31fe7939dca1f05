import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync } from "node:fs";

import { openBeneath } from "../system/openat2.ts";

/** Linux's O_PATH and O_CLOEXEC, which node:fs does not name; the same on x64 and arm64. */
export const O_PATH = 0o10_000_000;
const O_CLOEXEC = 0o2_000_000;
/** As the kernel counts them (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * Opens names below a directory, so that nothing outside can be reached: neither by a symlink, nor by a directory that is
 * exchanged for one meanwhile.
 *
 * @param root descriptor of the directory
 * @param names what to open; none for the root itself
 * @returns a new descriptor, which the caller closes
 * @throws what node:fs throws; code EXDEV for a path that leads out
 */
export type Resolve = (root: number, names: readonly string[], flags: number, mode: number) => number;

/** By the kernel: one call. */
export const resolveByKernel: Resolve = (root, names, flags, mode) =>
  openBeneath(root, names.length === 0 ? "." : names.join("/"), flags | O_CLOEXEC, mode);

/**
 * By hand, name after name, where the kernel has no openat2(2) or a sandbox refuses it. Each directory is opened from the
 * descriptor of the one before and without following a link; links are read and followed here, and may only lead further down
 * or up to the root.
 */
export const resolveByWalk: Resolve = (root, names, flags, mode) => {
  const waiting = [...names];
  const opened: number[] = [];
  let links = 0;
  try {
    for (;;) {
      const directory = opened.at(-1) ?? root;
      const name = waiting.shift();
      if (name === undefined)
        return openSync(`/proc/self/fd/${directory}/.`, flags & ~(constants.O_CREAT | constants.O_EXCL));
      if (name === "..") {
        const left = opened.pop();
        if (left === undefined) throw escapeError(names);
        closeSync(left);
        continue;
      }
      const path = `/proc/self/fd/${directory}/${name}`;
      const isLast = waiting.length === 0;
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat?.isSymbolicLink()) {
        if (isLast && (flags & constants.O_NOFOLLOW) !== 0)
          return openSync(path, flags | constants.O_NOFOLLOW, mode);
        if (++links > MAX_LINKS) throw loopError(names);
        const target = readlinkSync(path);
        // Absolute links lead out even when they come back in: a root may be moved.
        if (target.startsWith("/")) throw escapeError(names);
        waiting.unshift(...target.split("/").filter((part) => part !== "" && part !== "."));
        continue;
      }
      if (isLast) return openSync(path, flags | constants.O_NOFOLLOW, mode);
      opened.push(openSync(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW));
    }
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
};

function escapeError(names: readonly string[]): NodeJS.ErrnoException {
  return Object.assign(new Error(`EXDEV: open '${names.join("/")}'`), { code: "EXDEV", syscall: "open" });
}

function loopError(names: readonly string[]): NodeJS.ErrnoException {
  return Object.assign(new Error(`ELOOP: open '${names.join("/")}'`), { code: "ELOOP", syscall: "open" });
}

let chosen: Resolve | undefined;

/** The kernel's way where it works, else by hand. Found out once, on a directory that is open. */
export function chooseResolve(root: number): Resolve {
  if (chosen) return chosen;
  try {
    closeSync(resolveByKernel(root, [], O_PATH | constants.O_DIRECTORY, 0));
    chosen = resolveByKernel;
  } catch {
    fstatSync(root); // Whatever is wrong is not the descriptor itself.
    chosen = resolveByWalk;
  }
  return chosen;
}
