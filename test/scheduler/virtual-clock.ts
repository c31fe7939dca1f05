import { type Clock, type Timer } from "../../src/scheduler/clock.ts";

type Waiting = { atMs: number; run: () => void };

/** A clock that stands still until it is told to go on. Only what is waited for takes time, and `spend`. */
export class VirtualClock implements Clock {
  /** How often the event loop has had a turn. */
  turns = 0;
  #monotonicMs = 0;
  #wallOffsetMs: number;
  #suspendedMs = 0;
  #timers = new Set<Waiting>();
  #soon: (() => void)[] = [];

  constructor(wallMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallOffsetMs = wallMs;
  }

  monotonicMs = (): number => this.#monotonicMs;
  wallMs = (): number => Math.floor(this.#monotonicMs + this.#wallOffsetMs);
  bootMs = (): number => this.#monotonicMs + this.#suspendedMs;

  setTimer = (delayMs: number, run: () => void): Timer => {
    if (!(delayMs >= 1 && delayMs <= 2 ** 31 - 1 && Number.isInteger(delayMs)))
      throw new RangeError(`a timer cannot take ${delayMs} ms`);
    const waiting = { atMs: this.#monotonicMs + delayMs, run };
    this.#timers.add(waiting);
    return { cancel: () => void this.#timers.delete(waiting), setRef: () => {} };
  };

  soon = (run: () => void): void => void this.#soon.push(run);

  get timers(): number {
    return this.#timers.size;
  }

  /** Time passes inside a task, as if it computed for so long. */
  spend(ms: number): void {
    this.#monotonicMs += ms;
  }

  /** Somebody sets the wall clock. */
  setBack(ms: number): void {
    this.#wallOffsetMs -= ms;
  }

  /** The machine sleeps: the monotonic clock stands still, the others go on. */
  suspend(ms: number): void {
    this.#suspendedMs += ms;
    this.#wallOffsetMs += ms;
  }

  /** The process dies: nothing it waited for comes. */
  crash(): void {
    this.#timers.clear();
    this.#soon = [];
  }

  /** Lets time pass, and whatever is due then happen. Promises do not go on meanwhile: for functions that return none. */
  advance(ms: number): void {
    const end = this.#monotonicMs + ms;
    while (this.#step(end));
    this.#monotonicMs = Math.max(this.#monotonicMs, end);
  }

  /** As `advance`, and promises go on between any two events. */
  async advanceAsync(ms: number): Promise<void> {
    const end = this.#monotonicMs + ms;
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.#step(end));
    this.#monotonicMs = Math.max(this.#monotonicMs, end);
  }

  #step(end: number): boolean {
    if (this.#monotonicMs > end) return false;
    if (this.#soon.length > 0) {
      const due = this.#soon;
      this.#soon = [];
      this.turns++;
      for (const run of due) run();
      return true;
    }
    let first: Waiting | undefined;
    for (const waiting of this.#timers) if (!first || waiting.atMs < first.atMs) first = waiting;
    if (!first || first.atMs > end) return false;
    this.#timers.delete(first);
    this.#monotonicMs = Math.max(this.#monotonicMs, first.atMs);
    this.turns++;
    first.run();
    return true;
  }
}
