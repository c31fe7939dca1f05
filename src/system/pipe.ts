import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { makeFifo } from "./fifo.ts";
import { errno, errnoError, openLibc } from "./libc.ts";
import { poll, POLLIN } from "./poll.ts";
import { randomHex } from "./random-id.ts";

const O_CLOEXEC = 0o2_000_000;
const O_NONBLOCK = 0o4_000;
const F_SETFL = 4;
const F_SETPIPE_SZ = 1031;
const SPLICE_F_NONBLOCK = 2;
/** The largest pipe an unprivileged process may make (`/proc/sys/fs/pipe-max-size`): so much can wait in one. */
export const PIPE_MAX_BYTES = 1024 ** 2;

/** Both ends are the caller's to close. */
export type Pipe = { read: number; write: number };

/**
 * Makes a pipe whose ends no child inherits by accident. The read end does not block; the write end does, as programs
 * expect of their output.
 *
 * Bun's own "pipe" may be a pair of sockets, and then a child cannot open `/dev/stdout` or `/dev/stderr` (ENXIO).
 *
 * @param platform for tests: where there is no pipe2(2), it is a FIFO without a name
 * @throws the error of pipe2(2), or of node:fs: for example EMFILE
 */
export function openPipe(platform = process.platform): Pipe {
  if (platform !== "linux") return openFifo();
  const ends = new Int32Array(2);
  if (libc().pipe2(ends, O_CLOEXEC) !== 0) throw errnoError(errno(), "pipe2");
  const [read, write] = ends as unknown as [number, number];
  libc().fcntl(read, F_SETFL, O_NONBLOCK);
  return { read, write };
}

/** Made with nothing but what node:fs and mkfifo(3) offer: fcntl(2) takes its argument in a way of its own on some machines. */
function openFifo(): Pipe {
  const path = join(tmpdir(), `aurora-${randomHex(16)}`);
  makeFifo(path, 0o600);
  try {
    // Without waiting for the other end; with the reader there, the writer does not wait either.
    const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return { read, write: openSync(path, constants.O_WRONLY) };
    } catch (thrown) {
      closeSync(read);
      throw thrown;
    }
  } finally {
    unlinkSync(path);
  }
}

/** Makes room in a pipe for `bytes`. A wish: where the system does not grant it, the pipe stays as it is. */
export function widenPipe(descriptor: number, bytes: number): void {
  if (process.platform !== "linux") return;
  libc().fcntl(descriptor, F_SETPIPE_SZ, bytes);
}

/**
 * Drops what comes through a pipe, without copying it (splice(2)), for as long as more is there or comes within a millisecond,
 * but at most `forMs`. Others wait so long: it is for a writer who fills the pipe faster than the event loop turns. Where the
 * system cannot do that, nothing is dropped.
 *
 * @param descriptor the read end, which does not block
 */
export function dropFromPipe(descriptor: number, forMs: number): void {
  if (process.platform !== "linux") return;
  const { splice } = (boundForDropping ??= bindForDropping());
  nowhere ??= openSync("/dev/null", "w");
  const end = performance.now() + forMs;
  do while (splice(descriptor, null, nowhere, null, PIPE_MAX_BYTES, SPLICE_F_NONBLOCK) > 0n);
  while (performance.now() < end && poll(descriptor, POLLIN, 1) === POLLIN);
}

function bindForDropping() {
  return openLibc({
    splice: { args: ["i32", "ptr", "i32", "ptr", "u64", "u32"], returns: "i64" },
  });
}

let boundForDropping: ReturnType<typeof bindForDropping> | undefined;
/** Stays open. */
let nowhere: number | undefined;

function bind() {
  return openLibc({
    pipe2: { args: ["ptr", "i32"], returns: "i32" },
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());
