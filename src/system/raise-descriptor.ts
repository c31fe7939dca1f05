import { closeSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

const F_DUPFD_CLOEXEC = 1030;

function bind() {
  return openLibc({ fcntl: { args: ["i32", "i32", "i32"], returns: "i32" } });
}

let bound: ReturnType<typeof bind> | undefined;

/**
 * The same open file under a number of at least `minimum`: what a child is to have as its descriptors 3 and on must not lie
 * there itself, or one would be put in the place of another before that is passed on. The given one is closed if it is not
 * the same. Linux.
 */
export function raiseDescriptor(descriptor: number, minimum: number): number {
  if (descriptor >= minimum) return descriptor;
  bound ??= bind();
  const raised = bound.fcntl(descriptor, F_DUPFD_CLOEXEC, minimum);
  if (raised < 0) throw errnoError(errno(), "fcntl");
  closeSync(descriptor);
  return raised;
}
