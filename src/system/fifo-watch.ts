import { onceReadable } from "./readable.ts";
import { SmallTable } from "./small-table.ts";
import { WriteWatch } from "./write-watch.ts";

/** Who reads a FIFO. */
export type FifoReader = {
  /** Has to stay open for as long as it is watched. */
  readonly descriptor: number;
  /** There may be something to read. */
  written: () => void;
};

/**
 * Tells those who read FIFOs of writes to them, all of them by one inotify descriptor: a stream of the runtime for each FIFO would
 * be a buffer of 256 KiB each. Linux only.
 */
class FifoWatch {
  #readers = 0;
  /** Who waits for a write, by the number of the watch. */
  readonly #waiting = new SmallTable<number, FifoReader>();
  /** Where there are no more watches to be had. */
  readonly #others = new Map<FifoReader, () => void>();
  #watch: WriteWatch | undefined;

  /** There is one reader more, who is told of nothing yet. */
  add(): void {
    this.#readers++;
  }

  /** Its reader is told of the next write. */
  arm(reader: FifoReader): void {
    try {
      this.#watch ??= new WriteWatch((number) => this.#written(number));
      this.#waiting.set(this.#watch.add(`/proc/self/fd/${reader.descriptor}`), reader);
    } catch {
      this.#others.get(reader)?.();
      this.#others.set(
        reader,
        onceReadable(reader.descriptor, () => reader.written()),
      );
    }
  }

  /** Takes one back that was added, once. */
  remove(reader: FifoReader): void {
    this.#readers--;
    this.#others.get(reader)?.();
    this.#others.delete(reader);
    // The kernel has one watch for one file, however often that is asked for.
    const number = this.#waiting.keyOf(reader);
    if (number !== undefined) this.#forget(number);
    if (this.#readers > 0) return;
    // A process that has nothing else to do must be able to end.
    void this.#watch?.[Symbol.asyncDispose]();
    this.#watch = undefined;
  }

  #written(number: number): void {
    const reader = this.#waiting.get(number);
    this.#waiting.delete(number);
    reader?.written();
  }

  #forget(number: number): void {
    this.#waiting.delete(number);
    this.#watch?.remove(number);
  }
}

/** The one of this process. */
export const fifoWatch = new FifoWatch();
