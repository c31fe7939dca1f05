import { errno, errnoError, openLibc } from "./libc.ts";

/** openat2(2) has the same number on every architecture. */
const SYS_OPENAT2 = 437;
/** struct open_how: flags, mode, resolve, each 64 bits. */
const OPEN_HOW_BYTES = 24;
/** No path may lead out of the directory, and none through /proc's magic links (openat2(2), "resolve"). */
const RESOLVE = { noMagicLinks: 0x02, beneath: 0x08 };
const EINTR = 4;
const EAGAIN = 11;
/** A rename or mount during a lookup through ".." makes the kernel give up: it is tried again so often. */
const MAX_TRIES = 128;

let libc: ReturnType<typeof bind> | undefined;

function bind() {
  return openLibc({ syscall: { args: ["i64", "i32", "cstring", "ptr", "u64"], returns: "i32" } });
}

/** One for all calls: nothing else runs between filling it and the call. */
const how = new BigUint64Array([0n, 0n, BigInt(RESOLVE.beneath | RESOLVE.noMagicLinks)]);
let howFlags = 0;
let howMode = 0;

/**
 * Opens `path` below an open directory. Symlinks are followed while they stay below it; whatever leads out is refused by the
 * kernel in the lookup itself, so nobody can change a directory between a check and the use.
 *
 * @param directory an open descriptor
 * @param path relative, without "\0"; "." is the directory itself. As bytes, it ends with a NUL byte
 * @param flags open(2)'s
 * @param mode for O_CREAT; else 0
 * @throws an error with `code`: EXDEV for a path that leads out, ELOOP for a loop of links or a magic link, ENOSYS or EPERM
 * where the kernel or a sandbox does not offer the call
 */
export function openBeneath(
  directory: number,
  path: string | Uint8Array,
  flags: number,
  mode: number,
): number {
  libc ??= bind();
  // Filling costs more than the comparison, and most calls are like the one before.
  if (flags !== howFlags) how[0] = BigInt((howFlags = flags));
  if (mode !== howMode) how[1] = BigInt((howMode = mode));
  for (let tries = 1; ; tries++) {
    const descriptor = libc.syscall(SYS_OPENAT2, directory, path, how, OPEN_HOW_BYTES);
    if (descriptor >= 0) return descriptor;
    const number = errno();
    if (number !== EINTR && (number !== EAGAIN || tries >= MAX_TRIES)) throw errnoError(number, "open");
  }
}
