import { openSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { errno, errnoError, openLibc } from "./libc.ts";
import { randomHex } from "./random-id.ts";

const MFD_CLOEXEC = 1;
/** Linux 6.3: says that it will not be executed, which `vm.memfd_noexec=2` insists on. Unknown before. */
const MFD_NOEXEC_SEAL = 8;
const EPERM = 1;
const EINVAL = 22;
const ENOSYS = 38;

/**
 * An open file in memory that holds `bytes`, positioned at its start (memfd_create(2)). The caller closes it. Where there is no
 * such thing, it is a file without a name.
 *
 * As a child's standard input it never blocks the writer, never breaks when the child stops reading, and can be reopened
 * as `/dev/stdin`.
 *
 * @param platform for tests
 */
export function openMemoryFile(name: string, bytes: Uint8Array, platform = process.platform): number {
  const descriptor = (platform === "linux" ? createInMemory(name) : undefined) ?? createNameless(name);
  // Written at positions, so that the offset, which the child shares, stays at the start.
  for (let done = 0; done < bytes.length;)
    done += writeSync(descriptor, bytes, done, bytes.length - done, done);
  return descriptor;
}

/** Undefined where a sandbox, or an old kernel, does not offer it. */
function createInMemory(name: string): number | undefined {
  const path = Buffer.from(`${name}\0`);
  let descriptor = libc().memfd_create(path, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  if (descriptor < 0 && errno() === EINVAL) descriptor = libc().memfd_create(path, MFD_CLOEXEC);
  if (descriptor >= 0) return descriptor;
  const number = errno();
  if (number === EPERM || number === ENOSYS) return undefined;
  throw errnoError(number, "memfd_create");
}

function createNameless(name: string): number {
  const path = join(tmpdir(), `aurora-${name}-${randomHex(16)}`);
  const descriptor = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  return descriptor;
}

function bind() {
  return openLibc({ memfd_create: { args: ["ptr", "u32"], returns: "i32" } });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());
