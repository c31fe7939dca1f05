/**
 * Loaded before the program (`bun --preload`): makes it believe that it runs on macOS, as far as that goes on another system.
 * The C library has no other functions than that of macOS has, with its error numbers, and there is no /proc. What it does
 * have is called for real. Whatever else is asked for fails, as it would there, and is written to AS_MACOS_MISSING.
 */
import { appendFileSync } from "node:fs";

/** What this program may use of libSystem: not syscall(2), whose numbers are others. */
const AVAILABLE =
  "__error flock mkfifo renameat linkat getpeereid fcntl open openat close read write waitpid socket bind connect send sendto recv recvfrom getsockopt setsockopt fsync ftruncate pipe poll kill unlinkat mkdirat symlinkat fstatat readlinkat fchownat fchmodat mmap munmap madvise";
/** Error numbers of Linux that macOS has others for: EAGAIN, ENAMETOOLONG, ENOSYS, ENOTEMPTY, ELOOP, EOPNOTSUPP. */
const ERRORS = { 11: 35, 36: 63, 38: 78, 39: 66, 40: 62, 95: 102 };

Object.defineProperty(process, "platform", { value: "darwin" });
Object.assign(globalThis, {
  noteMissing: (name: string) => appendFileSync(process.env["AS_MACOS_MISSING"] as string, `${name}\n`),
});

const library = `
import { dlopen as linuxOpen, ptr, read } from "bun:ffi";
const available = new Set(${JSON.stringify(AVAILABLE.split(" "))});
const cell = new Int32Array(1);
const errors = ${JSON.stringify(ERRORS)};
function dlopen(name, symbols) {
  const missing = Object.keys(symbols).find((symbol) => !available.has(symbol));
  if (missing !== undefined) {
    noteMissing(missing);
    throw new Error('Symbol "' + missing + '" not found in "' + name + '"');
  }
  if (symbols.getpeereid) return { symbols: { getpeereid: () => 0 } };
  if (!symbols.__error) return linuxOpen("libc.so.6", symbols);
  const { __errno_location } = linuxOpen("libc.so.6", { __errno_location: symbols.__error }).symbols;
  const __error = () => {
    const number = read.i32(__errno_location(), 0);
    cell[0] = errors[number] ?? number;
    return ptr(cell);
  };
  return { symbols: { __error } };
}
`;

await Bun.plugin({
  name: "as-macos",
  setup(build) {
    build.onLoad({ filter: /\/src\/system\/libc\.ts$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      const contents = text.replace(/^const ffi = .*$/m, "const ffi = () => ({ dlopen, read });") + library;
      return { loader: "ts", contents };
    });
    build.onLoad({ filter: /\/src\/(system|process)\/(?!libc\.ts).*\.ts$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      return { loader: "ts", contents: text.replaceAll(/(["`])\/proc/g, "$1/no-proc") };
    });
  },
});
