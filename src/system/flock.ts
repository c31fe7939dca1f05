import { errno, errnoError, openLibc } from "./libc.ts";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const EINTR = 4;
const EWOULDBLOCK = process.platform === "darwin" ? 35 : 11;

let libc: { flock: (descriptor: number, operation: number) => number } | undefined;

/**
 * Tries to take an advisory lock on an open file (flock(2)). The kernel drops it when the last descriptor closes, so a
 * dead holder holds nothing.
 *
 * @returns false where somebody else holds it
 */
export function tryFlock(descriptor: number, kind: "shared" | "exclusive"): boolean {
  return flock(descriptor, (kind === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB);
}

function flock(descriptor: number, operation: number): boolean {
  libc ??= openLibc({ flock: { args: ["i32", "i32"], returns: "i32" } });
  for (;;) {
    if (libc.flock(descriptor, operation) === 0) return true;
    const number = errno();
    if (number === EWOULDBLOCK) return false;
    if (number !== EINTR) throw errnoError(number, "flock");
  }
}
