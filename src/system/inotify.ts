import { closeSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

/** inotify(7); the same on every architecture, but for IN_NONBLOCK and IN_CLOEXEC, which are O_NONBLOCK and O_CLOEXEC. */
const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2_000_000;
const IN_MODIFY = 0x2;
const IN_ATTRIB = 0x4;
const IN_MOVED_FROM = 0x40;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_DELETE_SELF = 0x400;
const IN_MOVE_SELF = 0x800;
const IN_Q_OVERFLOW = 0x4000;
const IN_IGNORED = 0x8000;
const WATCHED = IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF;
/** struct inotify_event without its name: wd, mask, cookie, len. */
const EVENT_BYTES = 16;

let libc: ReturnType<typeof bind> | undefined;

function bind() {
  return openLibc({
    inotify_init1: { args: ["i32"], returns: "i32" },
    inotify_add_watch: { args: ["i32", "cstring", "u32"], returns: "i32" },
  });
}

/** `name` is undefined for the watched thing itself. `overflow`: some changes were too many to be told. */
export type InotifyEvent = { kind: "rename" | "change" | "overflow"; name: Buffer | undefined };

/**
 * Watches what a descriptor is open on, and not what happens to be at its path now (inotify(7)). The watch is set when this
 * returns.
 *
 * @param descriptor may be opened with O_PATH, and be closed afterwards; what somebody holds open is never gone
 * @param isGoneWhenMoved for what is watched for its place, such as the root of a mount
 * @returns what happens from now on, until `stop`, or until the watched thing is gone
 */
export function watchDescriptor(
  descriptor: number,
  isGoneWhenMoved: boolean,
): { events: AsyncGenerator<InotifyEvent>; stop: () => void } {
  libc ??= bind();
  const queue = libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (queue < 0) throw errnoError(errno(), "watch");
  if (
    libc.inotify_add_watch(
      queue,
      `/proc/self/fd/${descriptor}`,
      isGoneWhenMoved ? WATCHED | IN_MOVE_SELF : WATCHED,
    ) < 0
  ) {
    const number = errno();
    closeSync(queue);
    throw errnoError(number, "watch");
  }
  const reader = Bun.file(queue).stream().getReader();
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= reader.cancel().finally(() => closeSync(queue)));
  async function* events(): AsyncGenerator<InotifyEvent> {
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        for (const event of parseEvents(Buffer.from(value.buffer, value.byteOffset, value.length))) {
          if (event === "gone") return;
          yield event;
        }
      }
    } finally {
      await close();
    }
  }
  return { events: events(), stop: () => void close() };
}

/** The kernel hands over whole events only. Little-endian, as every machine that Bun runs on. */
function* parseEvents(bytes: Buffer): Generator<InotifyEvent | "gone"> {
  for (let at = 0; at + EVENT_BYTES <= bytes.length;) {
    const mask = bytes.readUInt32LE(at + 4);
    const length = bytes.readUInt32LE(at + 12);
    const padded = bytes.subarray(at + EVENT_BYTES, at + EVENT_BYTES + length);
    const end = padded.indexOf(0);
    const name = length === 0 ? undefined : Buffer.from(end === -1 ? padded : padded.subarray(0, end));
    at += EVENT_BYTES + length;
    if (mask & (IN_IGNORED | IN_MOVE_SELF)) yield "gone";
    else if (mask & IN_Q_OVERFLOW) yield { kind: "overflow", name: undefined };
    else yield { kind: mask & (IN_MODIFY | IN_ATTRIB) ? "change" : "rename", name };
  }
}
