import { longTimer } from "../process/long-timer.ts";
import { type ServiceState } from "./service-state.ts";

type Waiter = { packId: string | null; isDone: (state: ServiceState) => boolean; release: () => void };

/** Who waits until a service has come to something. */
export class Waiters {
  readonly #stateOf: (packId: string) => ServiceState | undefined;
  #waiting: Waiter[] = [];

  constructor(stateOf: (packId: string) => ServiceState | undefined) {
    this.#stateOf = stateOf;
  }

  /** Resolves when `isDone` is found to hold, the service is forgotten, or the time is over. */
  until(packId: string, isDone: Waiter["isDone"], timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = timeoutMs === Infinity ? () => {} : longTimer(timeoutMs, () => waiter.release());
    const waiter: Waiter = {
      packId,
      isDone,
      release: () => {
        cancel();
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        resolve();
      },
    };
    this.#waiting.push(waiter);
    return promise;
  }

  /** Resolves at the next look. */
  turn(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ packId: null, isDone: () => true, release: resolve });
    return promise;
  }

  /** Lets those go whose service has come to what they wait for. */
  look(): void {
    const done = this.#waiting.filter(({ packId, isDone }) => {
      const state = packId === null ? undefined : this.#stateOf(packId);
      return !state || isDone(state);
    });
    this.#waiting = this.#waiting.filter((waiter) => !done.includes(waiter));
    for (const waiter of done) waiter.release();
  }

  releaseAll(): void {
    for (const waiter of this.#waiting) waiter.release();
  }
}
