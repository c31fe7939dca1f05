import { closeSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

const IN_NONBLOCK = 0o4_000;
const IN_CLOEXEC = 0o2_000_000;
const IN_MODIFY = 0x2;
const IN_ONESHOT = 0x8000_0000;
/** struct inotify_event: watch, mask, cookie, length, each of 4 bytes; a file that is watched itself has no name. */
const EVENT_BYTES = 16;

/**
 * Tells of the next write to a file, once for each watch (inotify(7)): what is not written to costs nothing. It is read as a
 * stream, since the runtime wakes up every second for as long as it has a socket. Linux only.
 */
export class WriteWatch {
  readonly #descriptor: number;
  readonly #written: (watch: number) => void;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  /**
   * @param written called with a watch when its file was written; after that the watch is gone
   * @throws the error of inotify_init1(2), for example EMFILE
   */
  constructor(written: (watch: number) => void) {
    this.#written = written;
    this.#descriptor = libc().inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (this.#descriptor < 0) throw errnoError(errno(), "inotify_init1");
    this.#reader = Bun.file(this.#descriptor).stream().getReader() as ReadableStreamDefaultReader<Uint8Array>;
    void this.#readAll();
  }

  /**
   * Watches a file for its next write.
   *
   * @returns the watch
   * @throws the error of inotify_add_watch(2): ENOSPC where there are too many watches
   */
  add(path: string): number {
    const watch = libc().inotify_add_watch(
      this.#descriptor,
      Buffer.from(`${path}\0`),
      IN_MODIFY | IN_ONESHOT,
    );
    if (watch < 0) throw errnoError(errno(), "inotify_add_watch", path);
    return watch;
  }

  /** Takes a watch back; one that is gone does no harm. What was written before may still be told. */
  remove(watch: number): void {
    libc().inotify_rm_watch(this.#descriptor, watch);
  }

  async #readAll(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return;
      const events = Buffer.from(value.buffer, value.byteOffset, value.length);
      for (let at = 0; at + EVENT_BYTES <= events.length; at += EVENT_BYTES + events.readUInt32LE(at + 12)) {
        // After the event comes one more that says that the watch is gone (IN_IGNORED).
        if (events.readUInt32LE(at + 4) & IN_MODIFY) this.#written(events.readInt32LE(at));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
    closeSync(this.#descriptor);
  }
}

function bind() {
  return openLibc({
    inotify_init1: { args: ["i32"], returns: "i32" },
    inotify_add_watch: { args: ["i32", "ptr", "u32"], returns: "i32" },
    inotify_rm_watch: { args: ["i32", "i32"], returns: "i32" },
  });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());
