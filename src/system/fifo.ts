import { errno, errnoError, openLibc } from "./libc.ts";

let libc: ReturnType<typeof bind> | undefined;

function bind() {
  return openLibc({ mkfifo: { args: ["ptr", "u32"], returns: "i32" } });
}

/**
 * Makes a FIFO (mkfifo(3)), which node:fs cannot.
 *
 * @throws what node:fs throws: an error with `code` (EEXIST, EACCES)
 */
export function makeFifo(path: string, mode: number): void {
  libc ??= bind();
  if (libc.mkfifo(Buffer.from(`${path}\0`), mode) !== 0) throw errnoError(errno(), "mkfifo", path);
}
