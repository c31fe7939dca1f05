import { type AuroraError, toAuroraError } from "../../errors.ts";
import { isPassingError } from "../../lifecycle/passing-error.ts";
import { type Registry } from "../../registry/registry.ts";
import { type Clock } from "../../scheduler/clock.ts";

/** After a write that the machine did not let happen, it is tried again so often, in milliseconds. */
const RETRY_MS = 1000;

type Waiting = { work: () => unknown; done: (result: unknown) => void };

/**
 * Writes to the registry in groups: what comes in one turn of the event loop is one database transaction, and so one flush
 * of the disk. Nothing is given up for a full disk: it is written when there is room again, and until then no run begins.
 */
export class RunRecorder {
  #registry: Registry;
  #clock: Clock;
  #failed: (error: AuroraError, isFinal: boolean) => void;
  #waiting: Waiting[] = [];
  #isFlushQueued = false;
  #isBroken = false;

  /** @param failed is told of each failure; after a final one nothing is written any more */
  constructor(registry: Registry, clock: Clock, failed: (error: AuroraError, isFinal: boolean) => void) {
    this.#registry = registry;
    this.#clock = clock;
    this.#failed = failed;
  }

  /** Does `work` in the next group. It may be done again when a group fails, so it changes nothing but the registry. */
  write<T>(work: () => T): Promise<T> {
    return new Promise((resolve) => {
      this.#waiting.push({ work, done: resolve as (result: unknown) => void });
      this.#queue();
    });
  }

  #queue(): void {
    if (this.#isFlushQueued || this.#isBroken) return;
    this.#isFlushQueued = true;
    this.#clock.soon(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushQueued = false;
    const group = this.#waiting.splice(0);
    let results: unknown[];
    try {
      results = this.#registry.write(() => group.map(({ work }) => work()));
    } catch (thrown) {
      const error = toAuroraError(thrown);
      const isFinal = !isPassingError(error);
      this.#waiting.unshift(...group);
      this.#isBroken = isFinal;
      this.#isFlushQueued = !isFinal;
      if (!isFinal) this.#clock.setTimer(RETRY_MS, () => this.#flush());
      return this.#failed(error, isFinal);
    }
    group.forEach(({ done }, index) => done(results[index]));
  }
}
