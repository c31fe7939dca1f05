import { type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import { closeSync, fstatSync, openSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

const PROT_READ_WRITE = 3;
const MAP_PRIVATE = 0x02;
const MAP_FIXED_NOREPLACE = 0x10_0000;

function bind() {
  return openLibc({
    mmap: { args: ["u64", "u64", "i32", "i32", "i32", "i64"], returns: "i64" },
    syscall: { args: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], returns: "i64" },
  });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());

/**
 * Maps a file to a fixed address of this process: changes stay in memory. Linux.
 *
 * @param address a multiple of 64 KiB
 * @returns the memory itself, not a copy
 */
export function mapFileAt(path: string, address: number): DataView {
  const descriptor = openSync(path, "r");
  try {
    const { size } = fstatSync(descriptor);
    const flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
    const result = Number(libc().mmap(address, size, PROT_READ_WRITE, flags, descriptor, 0));
    if (result !== address) throw errnoError(errno(), "mmap", path);
    return new DataView(toArrayBuffer(address as Pointer, 0, size));
  } finally {
    closeSync(descriptor);
  }
}

/** Where bytes are, for as long as they are held. */
export function addressOf(bytes: Uint8Array): number {
  return ptr(bytes);
}

/** Makes a system call by its number. Returns what the kernel does: the result, or the negative errno. */
export function rawSystemCall(number: number, args: readonly number[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  const result = Number(libc().syscall(number, a, b, c, d, e, f));
  return result === -1 ? -errno() : result;
}
