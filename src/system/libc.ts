import type * as ForeignFunctions from "bun:ffi";

import { buildInfo } from "./build-info.ts";

type FFIFunction = ForeignFunctions.FFIFunction;
type Library<Symbols extends Record<string, FFIFunction>> = ForeignFunctions.Library<Symbols>;

/** Loaded when it is first needed: with an import it takes each command 0.1 ms, and those that only read need none of it. */
const ffi = () => process.getBuiltinModule("bun:ffi") as typeof ForeignFunctions;

/**
 * Opens the C library and binds functions of it. Costs about 0.7 ms the first time: call it where it is first needed, not
 * at start-up, and keep the result.
 *
 * A C string ends at its first NUL byte: check texts for "\0" before they come here.
 */
export function openLibc<const Symbols extends Record<string, FFIFunction>>(
  symbols: Symbols,
): Library<Symbols>["symbols"] {
  try {
    return ffi().dlopen(libcNames[0] as string, symbols).symbols;
  } catch (thrown) {
    const other = libcNames[1];
    if (other === undefined) throw thrown;
    return ffi().dlopen(other, symbols).symbols;
  }
}

const muslName = `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`;
const libcNames =
  process.platform === "darwin"
    ? ["/usr/lib/libSystem.B.dylib"]
    : buildInfo().target.endsWith("-musl")
      ? [muslName]
      : ["libc.so.6", muslName];

/** Which C library this program uses, with its version where that can be asked for; null where there is neither. */
export function libcVersion(): { name: "glibc" | "musl"; version: string | null } | null {
  if (process.platform !== "linux") return null;
  try {
    const { gnu_get_libc_version } = openLibc({ gnu_get_libc_version: { args: [], returns: "cstring" } });
    return { name: "glibc", version: String(gnu_get_libc_version()) };
  } catch {
    return { name: "musl", version: null };
  }
}

let errnoLocation: (() => number | null) | undefined;

/** The calling thread's errno. Read it right after the call that failed. */
export function errno(): number {
  if (!errnoLocation) {
    const name = process.platform === "darwin" ? "__error" : "__errno_location";
    const bound = openLibc({ [name]: { args: [], returns: "ptr" } });
    errnoLocation = bound[name] as unknown as () => number | null;
  }
  const location = errnoLocation();
  return location === null ? 0 : ffi().read.i32(location as unknown as ForeignFunctions.Pointer, 0);
}

/** Where macOS has other numbers (sys/errno.h). What is not here is the same. */
const darwinNames: Record<number, string> = {
  11: "EDEADLK",
  35: "EAGAIN",
  36: "EINPROGRESS",
  38: "ENOTSOCK",
  39: "EDESTADDRREQ",
  40: "EMSGSIZE",
  45: "ENOTSUP",
  62: "ELOOP",
  63: "ENAMETOOLONG",
  66: "ENOTEMPTY",
  69: "EDQUOT",
  78: "ENOSYS",
  102: "EOPNOTSUPP",
};
const names: Record<number, string> = {
  1: "EPERM",
  2: "ENOENT",
  4: "EINTR",
  5: "EIO",
  6: "ENXIO",
  8: "ENOEXEC",
  9: "EBADF",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  16: "EBUSY",
  17: "EEXIST",
  18: "EXDEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  24: "EMFILE",
  25: "ENOTTY",
  26: "ETXTBSY",
  27: "EFBIG",
  28: "ENOSPC",
  30: "EROFS",
  36: "ENAMETOOLONG",
  38: "ENOSYS",
  39: "ENOTEMPTY",
  40: "ELOOP",
  93: "EPROTONOSUPPORT",
  95: "EOPNOTSUPP",
  111: "ECONNREFUSED",
  122: "EDQUOT",
};

/** The name of an error number. */
function errnoName(number: number, platform: NodeJS.Platform = process.platform): string {
  return (platform === "darwin" ? darwinNames[number] : undefined) ?? names[number] ?? `E${number}`;
}

/** An error of the shape that node:fs throws, for a libc function that set errno. */
export function errnoError(number: number, syscall: string, path?: string): NodeJS.ErrnoException {
  const code = errnoName(number);
  const error: NodeJS.ErrnoException = new Error(
    `${code}: ${syscall}${path === undefined ? "" : ` '${path}'`}`,
  );
  error.code = code;
  error.errno = -number;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  return error;
}
