import { errno, errnoError, openLibc } from "./libc.ts";

/** ioctl_ficlonerange(2): _IOW(0x94, 9, int). */
const FICLONE = 0x4004_9409;
const EINTR = 4;
/** One call copies at most so much, so that a signal does not wait for a whole disk; in bytes. */
const SLICE_BYTES = 64 * 1024 ** 2;

let libc: ReturnType<typeof bind> | undefined;

function bind() {
  return openLibc({
    ioctl: { args: ["i32", "u64", "i32"], returns: "i32" },
    copy_file_range: { args: ["i32", "ptr", "i32", "ptr", "usize", "u32"], returns: "i64" },
  });
}

/**
 * Makes an empty file share all blocks of another, so that a copy costs nothing until one of them is written to.
 *
 * @returns false where the file system cannot, or they are on different ones
 */
export function cloneFile(from: number, to: number): boolean {
  if (process.platform !== "linux") return false;
  libc ??= bind();
  return libc.ioctl(to, FICLONE, from) === 0;
}

/**
 * Copies from one descriptor's position to another's inside the kernel (copy_file_range(2)), at most 64 MiB.
 *
 * @param limitBytes at most so much
 * @returns the bytes copied, 0 at the end, undefined where the two file systems cannot do it this way
 * @throws an error with `code` for a failure that copying by hand would meet as well
 */
export function copyRange(from: number, to: number, limitBytes = SLICE_BYTES): number | undefined {
  if (process.platform !== "linux") return undefined;
  libc ??= bind();
  for (;;) {
    const length = Number(libc.copy_file_range(from, null, to, null, Math.min(limitBytes, SLICE_BYTES), 0));
    if (length >= 0) return length;
    const number = errno();
    if (number === EINTR) continue;
    const error = errnoError(number, "copy");
    if (["ENOSPC", "EDQUOT", "EIO", "EFBIG"].includes(error.code ?? "")) throw error;
    return undefined;
  }
}
