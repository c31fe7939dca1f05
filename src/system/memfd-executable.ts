import { closeSync } from "node:fs";

import { writeFully } from "./durable.ts";
import { errno, errnoError, openLibc } from "./libc.ts";

const MFD_CLOEXEC = 0x1;
const MFD_ALLOW_SEALING = 0x2;
/** Linux 6.3: says that it will be executed, which `vm.memfd_noexec=1` asks for. Unknown before. */
const MFD_EXEC = 0x10;
const F_ADD_SEALS = 1033;
/** No more sealing, shrinking, growing or writing. */
const ALL_SEALS = 0xf;
const EINVAL = 22;

let libc: ReturnType<typeof bind> | undefined;

function bind() {
  return openLibc({
    memfd_create: { args: ["ptr", "u32"], returns: "i32" },
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  });
}

/**
 * An executable in memory that nobody can change any more (memfd_create(2), Linux). It is run by the path
 * `/proc/<this process>/fd/<descriptor>`; the descriptor has to stay open until then, and the caller closes it.
 *
 * @param name what `ps` and /proc show until the program executes another
 * @throws an error with `code`: EACCES where `vm.memfd_noexec=2` forbids it, ENOSYS, EMFILE
 */
export function openMemfdExecutable(name: string, bytes: Uint8Array): number {
  libc ??= bind();
  const path = Buffer.from(`${name}\0`);
  let descriptor = libc.memfd_create(path, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (descriptor < 0 && errno() === EINVAL)
    descriptor = libc.memfd_create(path, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) throw errnoError(errno(), "memfd_create");
  try {
    writeFully(descriptor, bytes);
    if (libc.fcntl(descriptor, F_ADD_SEALS, ALL_SEALS) !== 0) throw errnoError(errno(), "fcntl");
    return descriptor;
  } catch (thrown) {
    closeSync(descriptor);
    throw thrown;
  }
}
