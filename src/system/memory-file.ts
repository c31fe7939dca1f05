import { writeSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

const MFD_CLOEXEC = 1;

/**
 * An open file in memory that holds `bytes`, positioned at its start (memfd_create(2), Linux). The caller closes it.
 *
 * As a child's standard input it never blocks the writer, never breaks when the child stops reading, and can be reopened
 * as `/dev/stdin`.
 */
export function openMemoryFile(name: string, bytes: Uint8Array): number {
  const descriptor = libc().memfd_create(Buffer.from(`${name}\0`), MFD_CLOEXEC);
  if (descriptor < 0) throw errnoError(errno(), "memfd_create");
  // Written at positions, so that the offset, which the child shares, stays at the start.
  for (let done = 0; done < bytes.length;)
    done += writeSync(descriptor, bytes, done, bytes.length - done, done);
  return descriptor;
}

function bind() {
  return openLibc({ memfd_create: { args: ["ptr", "u32"], returns: "i32" } });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());
