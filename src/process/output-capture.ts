import { closeSync, readSync } from "node:fs";

import { dropFromPipe, openPipe, PIPE_MAX_BYTES, widenPipe } from "../system/pipe.ts";

/** So much is read at a time in the last look. One block serves all: what is kept of it is copied. */
const BLOCK_BYTES = 65_536;
let block: Buffer | undefined;
/** A pipe holds this at first; who fills it gets a wider one, which halves the changes between two processes. */
const FULL_BYTES = 65_536;
/** What nobody keeps or hears of any more is dropped in one go for so long, where it comes faster than it could be read. */
const DROP_MS = 2;
/** Most commands end before this: they are spared the set-up of a stream, and their output is read at once at the end. */
const START_AFTER_MS = 4;

/**
 * Reads one output stream of a child to its end. Keeps the first `maxBytes`; what comes after is still read, so that the
 * child never waits, and dropped. Owns both ends of its pipe.
 */
export class OutputCapture {
  readonly #kept: Uint8Array[] = [];
  readonly #maxBytes: number;
  readonly #onChunk: ((chunk: Uint8Array) => void) | undefined;
  readonly #pipe = openPipe();
  #keptBytes = 0;
  #isWriteOpen = true;
  #isAtEnd = false;
  #isWide = false;
  #startTimer: ReturnType<typeof setTimeout> | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #failure: unknown;

  truncated = false;

  constructor(maxBytes: number, onChunk?: (chunk: Uint8Array) => void) {
    this.#maxBytes = maxBytes;
    this.#onChunk = onChunk;
  }

  /** What the child gets as its descriptor. */
  get childEnd(): number {
    return this.#pipe.write;
  }

  /** Call when the child has been started: only it holds the write end from now on. */
  start(): void {
    this.#closeWrite();
    this.#startTimer = setTimeout(() => {
      this.#reader = Bun.file(this.#pipe.read)
        .stream()
        .getReader() as ReadableStreamDefaultReader<Uint8Array>;
      void this.#readAll(this.#reader);
    }, START_AFTER_MS);
  }

  /**
   * Takes what is in the pipe right now and closes it. For when the child has ended: all it wrote is in the pipe, and whoever
   * else may hold the write end is not waited for.
   *
   * @throws what `onChunk` threw
   */
  async finish(): Promise<Uint8Array> {
    clearTimeout(this.#startTimer);
    // A chunk that was read already reaches the loop first.
    if (this.#reader && !this.#isAtEnd) await new Promise((resolve) => setImmediate(resolve));
    if (!this.#isAtEnd) this.#drain();
    this.dispose();
    if (this.#failure !== undefined) throw this.#failure;
    return this.#kept.length === 1 ? (this.#kept[0] as Uint8Array) : Buffer.concat(this.#kept);
  }

  /** Closes everything. Safe to call twice. */
  dispose(): void {
    this.#closeWrite();
    clearTimeout(this.#startTimer);
    if (this.#isAtEnd && this.#reader === undefined) return;
    this.#isAtEnd = true;
    void this.#reader?.cancel().catch(() => {});
    this.#reader = undefined;
    closeSync(this.#pipe.read);
  }

  async #readAll(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.#isAtEnd) break;
        const isFull = value.length >= FULL_BYTES;
        if (isFull && !this.#isWide) {
          widenPipe(this.#pipe.read, PIPE_MAX_BYTES);
          this.#isWide = true;
        }
        this.#take(value);
        if (isFull && this.#isFull && this.#onChunk === undefined) dropFromPipe(this.#pipe.read, DROP_MS);
      }
    } catch (thrown) {
      this.#failure ??= thrown;
    }
    // From here `finish` has nothing left to drain.
    if (this.#reader === reader) this.#isAtEnd = true;
  }

  #drain(): void {
    void this.#reader?.cancel().catch(() => {});
    block ??= Buffer.allocUnsafeSlow(BLOCK_BYTES);
    try {
      for (let total = 0; total < PIPE_MAX_BYTES;) {
        const length = readSync(this.#pipe.read, block);
        if (length === 0) return;
        this.#take(new Uint8Array(block.subarray(0, length)));
        total += length;
      }
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "EAGAIN") this.#failure ??= thrown;
    }
  }

  /** Nothing more is kept. */
  get #isFull(): boolean {
    return this.truncated && this.#keptBytes >= this.#maxBytes;
  }

  #take(chunk: Uint8Array): void {
    const room = this.#maxBytes - this.#keptBytes;
    if (chunk.length > room) this.truncated = true;
    if (room > 0) {
      const kept = chunk.subarray(0, room);
      // A short chunk may be a window on a large buffer, which it would keep alive.
      this.#kept.push(kept.length * 2 < kept.buffer.byteLength ? new Uint8Array(kept) : kept);
      this.#keptBytes += kept.length;
    }
    try {
      this.#onChunk?.(chunk);
    } catch (thrown) {
      // The child must not stand still with a full pipe because of it: reading goes on, and `finish` throws.
      this.#failure ??= thrown;
    }
  }

  #closeWrite(): void {
    if (this.#isWriteOpen) closeSync(this.#pipe.write);
    this.#isWriteOpen = false;
  }
}
