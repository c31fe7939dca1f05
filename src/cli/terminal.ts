import { fstatSync, read } from "node:fs";

import { AuroraError } from "../errors.ts";
import { writeAll } from "./output.ts";

/** Linux's major number of /dev/null, /dev/zero and their like (Documentation/admin-guide/devices.txt). */
const MEMORY_DEVICES = 1;

/**
 * Whether a standard descriptor is a terminal. Most are no character devices, or /dev/null, which spares loading node:tty:
 * that alone costs a third of a small command's start-up.
 */
export async function isTerminal(descriptor: 0 | 1 | 2): Promise<boolean> {
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isCharacterDevice()) return false;
    if (process.platform === "linux" && stat.rdev >> 8 === MEMORY_DEVICES) return false;
  } catch {
    return false; // closed
  }
  const { isatty } = await import("node:tty");
  return isatty(descriptor);
}

const STDIN_CHUNK_BYTES = 256 * 1024;
/** A descriptor that somebody made non-blocking is asked again after so long, in milliseconds. */
const STDIN_RETRY_MS = 5;

/**
 * Standard input in chunks, to its end. One is read when the last one is done with: Bun's own stream reads ahead without a
 * limit, and a slow writer then has all of a large input in memory. A closed descriptor is an empty input.
 */
export async function* readStdin(): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = Buffer.allocUnsafe(STDIN_CHUNK_BYTES);
    const length = await readOnce(chunk);
    if (length === 0) return;
    if (length > 0) yield chunk.subarray(0, length);
    else await Bun.sleep(STDIN_RETRY_MS);
  }
}

/** How many bytes were read; 0 at the end, -1 where there are none yet. */
function readOnce(chunk: Buffer): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  read(0, chunk, 0, chunk.length, null, (error, length) => {
    if (!error) resolve(length);
    else if (error.code === "EAGAIN" || error.code === "EINTR") resolve(-1);
    else if (error.code === "EBADF") resolve(0);
    else reject(error);
  });
  return promise;
}

/**
 * Shows `question` on stderr and reads one line from standard input, which must be a terminal.
 *
 * @returns the line without its end, or undefined at end of input
 * @throws {AuroraError} `interrupted` when `signal` aborts while waiting
 */
export async function askTerminal(question: string, signal: AbortSignal): Promise<string | undefined> {
  writeAll(2, question);
  const lines = Bun.file(0).stream().getReader();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(new AuroraError("interrupted", "stopped while waiting for an answer"));
  signal.addEventListener("abort", onAbort, { once: true });
  const decoder = new TextDecoder();
  let text = "";
  try {
    while (!text.includes("\n")) {
      const { done, value } = await Promise.race([lines.read(), aborted.promise]);
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    void lines.cancel().catch(() => {});
  }
  if (text === "") return undefined;
  return text.replace(/\r?\n.*$/s, "");
}
