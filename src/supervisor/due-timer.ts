import { longTimer } from "../process/long-timer.ts";

const nothing = () => {};

/** One timer for whatever is due next: armed anew as often as that changes. */
export class DueTimer {
  readonly #nowMs: () => number;
  readonly #due: () => void;
  #cancel: () => void = nothing;
  #armedMs = Infinity;

  /**
   * @param nowMs the clock that moments are counted by
   * @param due called at the moment, and then armed anew
   */
  constructor(nowMs: () => number, due: () => void) {
    this.#nowMs = nowMs;
    this.#due = due;
  }

  /** @param dueMs the moment; Infinity for never */
  arm(dueMs: number): void {
    if (dueMs === this.#armedMs) return;
    this.#cancel();
    this.#armedMs = dueMs;
    this.#cancel =
      dueMs === Infinity
        ? nothing
        : longTimer(Math.max(1, Math.ceil(dueMs - this.#nowMs())), () => {
            this.#armedMs = Infinity;
            this.#cancel = nothing;
            this.#due();
          });
  }
}
