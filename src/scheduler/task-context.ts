/** What a task's function gets. */
export type TaskContext = {
  /** Aborts when the run is to stop: its time is over, it was cancelled or replaced, or the scheduler drains. */
  readonly signal: AbortSignal;
  /** Lets timers and input/output have their turn. Rejects with the signal's reason once the run is to stop. */
  readonly yield: () => Promise<void>;
  /** The time that the run was scheduled for, in milliseconds since 1970-01-01T00:00Z; it starts at that time or later. */
  readonly scheduledAt: number;
  /** 1 for the first try, 2 for the first retry. */
  readonly attempt: number;
};

export type TaskFunction = (context: TaskContext) => unknown;

/** Whether a run is to stop. Makes the signal only for those who look at it: a controller costs more than all else of a run. */
export class StopFlag {
  /** Why it is to stop, or undefined. */
  reason: Error | undefined;
  #controller: AbortController | undefined;

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.reason !== undefined) this.#controller.abort(this.reason);
    }
    return this.#controller.signal;
  }

  /** Only the first reason counts. */
  raise(reason: Error): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.#controller?.abort(reason);
  }

  /** Resolves when others have had their turn; rejects where the run is to stop by then. */
  async yield(soon: (run: () => void) => void): Promise<void> {
    await new Promise<void>((resolve) => soon(resolve));
    if (this.reason !== undefined) throw this.reason;
  }
}

/** Whether a value is a promise of any make: what a task returns is waited for, whatever its type says. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value !== null && typeof value === "object" && typeof (value as { then?: unknown }).then === "function"
  );
}
