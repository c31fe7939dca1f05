import { closeSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

const O_CLOEXEC = 0o2_000_000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
/** struct epoll_event is 12 bytes on x64 and 16 elsewhere; the events come first in both. */
const EPOLL_EVENT_BYTES = 16;

/**
 * Calls `action` once, as soon as a descriptor can be read, without a thread and without looking again and again: for what
 * no stream of the runtime can watch (a pidfd, a datagram socket, inotify). Nothing is read from it.
 *
 * How: the descriptor goes into an epoll set, and the set is given to the runtime as if it were a socket. When the set
 * becomes readable the runtime tries to read it, gets ENOTSOCK, and reports the "socket" as closed. Linux only.
 *
 * @param descriptor stays the caller's, and has to stay open meanwhile
 * @returns stops watching, so that `action` is not called any more; false where it was called already
 */
export function onceReadable(descriptor: number, action: () => void): () => boolean {
  let isOver = false;
  const end = () => {
    if (isOver) return;
    isOver = true;
    action();
  };
  const set = libc().epoll_create1(O_CLOEXEC);
  if (set < 0) throw errnoError(errno(), "epoll_create1");
  const event = new Uint32Array(EPOLL_EVENT_BYTES / 4);
  event[0] = EPOLLIN;
  if (libc().epoll_ctl(set, EPOLL_CTL_ADD, descriptor, event) !== 0) {
    const error = errnoError(errno(), "epoll_ctl");
    closeSync(set);
    throw error;
  }
  const options = { fd: set, socket: { data() {}, close: end, error: end } };
  // The type lacks the variant that takes a descriptor over.
  const connect = Bun.connect as unknown as (options: object) => Promise<{ terminate: () => void }>;
  const connected = (async () => {
    try {
      const socket = await connect(options);
      if (isOver) socket.terminate();
      return socket;
    } catch {
      end();
      return undefined;
    }
  })();
  return () => {
    if (isOver) return false;
    isOver = true;
    void connected.then((socket) => void socket?.terminate());
    return true;
  };
}

function bind() {
  return openLibc({
    epoll_create1: { args: ["i32"], returns: "i32" },
    epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());
