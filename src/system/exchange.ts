import { ptr } from "bun:ffi";

import { announceChange, renameSync } from "./changes.ts";
import { errno, errnoError, openLibc } from "./libc.ts";

const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;
const ENOSYS = 38;
const EINVAL = 22;

/**
 * Exchanges two names by one renameat2(2), so that both exist at every moment. Where the kernel or the file system cannot,
 * two renames do it by way of a third name, and for a moment `a` is missing.
 */
export function exchange(a: string, b: string): void {
  if (process.platform === "linux") {
    const libc = openLibc({ renameat2: { args: ["i32", "ptr", "i32", "ptr", "u32"], returns: "i32" } });
    announceChange("renameat2");
    const [from, to] = [Buffer.from(`${a}\0`), Buffer.from(`${b}\0`)];
    if (libc.renameat2(AT_FDCWD, ptr(from), AT_FDCWD, ptr(to), RENAME_EXCHANGE) === 0) return;
    const number = errno();
    if (number !== ENOSYS && number !== EINVAL) throw errnoError(number, "rename", a);
  }
  renameSync(a, `${b}.exchanged`);
  renameSync(b, a);
  renameSync(`${b}.exchanged`, b);
}
