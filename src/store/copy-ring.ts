/*
 * What the reader of a big pack and the worker that copies it share: a ring of slots in one memory, so that bytes are read from
 * the source straight into it, and neither side waits for an event loop. One writer and one reader, each with a counter that
 * only grows.
 */

export type CopyMemory = { ring: SharedArrayBuffer; results: SharedArrayBuffer };

/** What a slot asks for. */
export const operation = { makeDirectory: 1, closeDirectory: 2, symlink: 3, content: 4, end: 5 } as const;

export type SlotHead = {
  kind: number;
  mode: number;
  /** Content: whether it opens a file, and whether it is the last of one. */
  isFirst: boolean;
  isLast: boolean;
  path: string;
};

/** So much of a file fits into a processor's cache together with its hashes: larger steps are up to three times slower. */
export const CHUNK_BYTES = 128 * 1024;
const SLOTS = 32;
const HEAD_INTS = 8;
const PATH_BYTES = 512;
const SLOT_BYTES = HEAD_INTS * 4 + PATH_BYTES + CHUNK_BYTES;
const CONTROL_INTS = 8;
const ERROR_BYTES = 4096;
/** A file's digest, its time in nanoseconds, its inode, and whether there is a digest. */
const RESULT_BYTES = 56;
const [PRODUCED, CONSUMED, FAILED, ABORTED, DONE, STARTED] = [0, 1, 2, 3, 4, 5] as const;
/** A thread that has not begun by then never will, in milliseconds. */
const START_MS = 30_000;

/** `sha256` is null where the reader of the source has computed it. */
export type FileResult = { sha256: string | null; mtimeNs: bigint; inode: bigint };

export function createCopyMemory(files: number): CopyMemory {
  return {
    ring: new SharedArrayBuffer(CONTROL_INTS * 4 + ERROR_BYTES + SLOTS * SLOT_BYTES),
    results: new SharedArrayBuffer(Math.max(1, files) * RESULT_BYTES),
  };
}

export class CopyRing {
  readonly #control: Int32Array;
  readonly #error: Uint8Array;
  readonly #heads: Int32Array[] = [];
  readonly #paths: Uint8Array[] = [];
  readonly #data: Uint8Array[] = [];
  readonly #results: DataView;

  constructor({ ring, results }: CopyMemory) {
    this.#control = new Int32Array(ring, 0, CONTROL_INTS);
    this.#error = new Uint8Array(ring, CONTROL_INTS * 4, ERROR_BYTES);
    for (let slot = 0; slot < SLOTS; slot++) {
      const at = CONTROL_INTS * 4 + ERROR_BYTES + slot * SLOT_BYTES;
      this.#heads.push(new Int32Array(ring, at, HEAD_INTS));
      this.#paths.push(new Uint8Array(ring, at + HEAD_INTS * 4, PATH_BYTES));
      this.#data.push(new Uint8Array(ring, at + HEAD_INTS * 4 + PATH_BYTES, CHUNK_BYTES));
    }
    this.#results = new DataView(results);
  }

  /** The writer's: waits for a free slot, and returns where its content goes. */
  claim(): Uint8Array {
    const produced = Atomics.load(this.#control, PRODUCED);
    for (;;) {
      const consumed = Atomics.load(this.#control, CONSUMED);
      if (produced - consumed < SLOTS) return this.#data[produced % SLOTS] as Uint8Array;
      Atomics.wait(this.#control, CONSUMED, consumed);
    }
  }

  /** The writer's: hands over the claimed slot with so many bytes of content. */
  push(head: SlotHead, length: number): void {
    const produced = Atomics.load(this.#control, PRODUCED);
    const slot = produced % SLOTS;
    const written = new TextEncoder().encodeInto(head.path, this.#paths[slot] as Uint8Array).written;
    (this.#heads[slot] as Int32Array).set([
      head.kind,
      head.mode,
      Number(head.isFirst),
      Number(head.isLast),
      written,
      length,
    ]);
    Atomics.store(this.#control, PRODUCED, produced + 1);
    Atomics.notify(this.#control, PRODUCED);
  }

  /** The reader's: waits for the next slot and does with it what `work` does; undefined once the writer has given up. */
  take<T>(work: (head: SlotHead, content: Uint8Array) => T): T | undefined {
    const consumed = Atomics.load(this.#control, CONSUMED);
    for (;;) {
      const produced = Atomics.load(this.#control, PRODUCED);
      if (Atomics.load(this.#control, ABORTED) !== 0) return undefined;
      if (produced !== consumed) break;
      Atomics.wait(this.#control, PRODUCED, produced);
    }
    const slot = consumed % SLOTS;
    const [kind = 0, mode = 0, isFirst, isLast, pathLength, length] = this.#heads[slot] as Int32Array;
    // A decoder takes no shared memory.
    const path = Buffer.from((this.#paths[slot] as Uint8Array).slice(0, pathLength)).toString("utf8");
    const head = { kind, mode, isFirst: isFirst === 1, isLast: isLast === 1, path };
    const result = work(head, (this.#data[slot] as Uint8Array).subarray(0, length));
    Atomics.store(this.#control, CONSUMED, consumed + 1);
    Atomics.notify(this.#control, CONSUMED);
    return result;
  }

  /** The reader's: what became of a file, by its place in the order of the digest. */
  setResult(file: number, sha256: Uint8Array | undefined, mtimeNs: bigint, inode: bigint): void {
    if (sha256) new Uint8Array(this.#results.buffer, file * RESULT_BYTES, 32).set(sha256);
    this.#results.setUint8(file * RESULT_BYTES + 48, sha256 ? 1 : 0);
    this.#results.setBigInt64(file * RESULT_BYTES + 32, mtimeNs);
    this.#results.setBigUint64(file * RESULT_BYTES + 40, inode);
  }

  result(file: number): FileResult {
    const hasDigest = this.#results.getUint8(file * RESULT_BYTES + 48) === 1;
    const sha256 = new Uint8Array(this.#results.buffer, file * RESULT_BYTES, 32);
    return {
      sha256: hasDigest ? Buffer.from(sha256).toString("hex") : null,
      mtimeNs: this.#results.getBigInt64(file * RESULT_BYTES + 32),
      inode: this.#results.getBigUint64(file * RESULT_BYTES + 40),
    };
  }

  /** The reader's: the first error. What comes after it is thrown away. */
  fail({ message, code, syscall, path }: NodeJS.ErrnoException): void {
    const text = JSON.stringify({
      message: message.slice(0, 1000),
      code,
      syscall,
      path: path?.slice(0, 1000),
    });
    const bytes = Buffer.from(text).subarray(0, ERROR_BYTES);
    this.#error.set(bytes);
    Atomics.store(this.#control, FAILED, bytes.length);
  }

  /** The writer's: throws what the reader met. */
  throwFailure(): void {
    const length = Atomics.load(this.#control, FAILED);
    if (length === 0) return;
    const fields = JSON.parse(Buffer.from(this.#error.slice(0, length)).toString("utf8")) as {
      message: string;
    };
    throw Object.assign(new Error(fields.message), fields);
  }

  /** The writer's: nothing more will come. The counter moves too, for a reader that is just about to wait for it. */
  abort(): void {
    Atomics.store(this.#control, ABORTED, 1);
    Atomics.add(this.#control, PRODUCED, 1);
    Atomics.notify(this.#control, PRODUCED);
  }

  /** The reader's first word. */
  start(): void {
    Atomics.store(this.#control, STARTED, 1);
    Atomics.notify(this.#control, STARTED);
  }

  /** The writer's: waits until there is a reader. Throws where none comes. */
  waitUntilStarted(): void {
    if (Atomics.wait(this.#control, STARTED, 0, START_MS) === "timed-out")
      throw new Error("the thread that copies packs does not start");
  }

  /** The reader's last word: it touches no file any more. */
  finish(): void {
    Atomics.store(this.#control, DONE, 1);
    Atomics.notify(this.#control, DONE);
  }

  waitUntilFinished(): void {
    Atomics.wait(this.#control, DONE, 0);
  }
}
