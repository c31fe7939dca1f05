/** What was needed only for a change or an answer is over by then, in milliseconds. */
const REST_MS = 3000;
/** Giving back costs some 10 ms of processor time: a service that fails over and over, or who asks again and again, does not cause it each time. */
const PAUSE_MS = 15_000;

/**
 * When a daemon that has something to do now is at rest again, if nothing more happens.
 *
 * @param nowMs of a clock that only goes forward, as is `lastMs`
 * @param lastMs when it was at rest last
 * @returns milliseconds from now
 */
export function untilRestMs(nowMs: number, lastMs: number | undefined): number {
  return Math.max(REST_MS, lastMs === undefined ? 0 : lastMs + PAUSE_MS - nowMs);
}

/** Tells when a daemon has come to rest: after its start, and after each burst of changes and requests. */
export class RestWatch implements Disposable {
  readonly #onRest: () => void;
  #lastMs: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(onRest: () => void) {
    this.#onRest = onRest;
  }

  /** Something has happened. */
  touch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#lastMs = performance.now();
        this.#onRest();
      },
      untilRestMs(performance.now(), this.#lastMs),
    );
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
