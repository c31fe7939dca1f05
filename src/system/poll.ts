import { openLibc } from "./libc.ts";

/** Events of poll(2): the numbers are the same on Linux and macOS. */
export const POLLIN = 1;
/** Always looked for: of the end of a pipe or FIFO that is written to, that nobody reads it. */
export const POLLERR = 8;
/** Always looked for: of the end that is read, that there was a writer and is none any more. */
export const POLLHUP = 16;

/**
 * Waits until a descriptor is ready (poll(2)); everything else waits meanwhile.
 *
 * @param events what is looked for
 * @param forMs how long at most
 * @returns the events that there are; 0 for none
 */
export function poll(descriptor: number, events: number, forMs: number): number {
  libc ??= bind();
  // struct pollfd: the descriptor, and two 16-bit halves: what is asked, and what is answered.
  const watched = new Int32Array([descriptor, events]);
  return libc.poll(watched, 1n, forMs) > 0 ? (watched[1] as number) >> 16 : 0;
}

function bind() {
  return openLibc({ poll: { args: ["ptr", "u64", "i32"], returns: "i32" } });
}

let libc: ReturnType<typeof bind> | undefined;
