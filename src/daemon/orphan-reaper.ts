import { childIds, reapChild } from "../system/child-processes.ts";
import { readProcess } from "../system/process-table.ts";

/**
 * A child that the runtime has started is waited for by the runtime, at once. What is a zombie at two looks with so long
 * between them, in milliseconds, is nobody's but ours.
 */
const SECOND_LOOK_MS = 1000;

/**
 * Takes the processes off the kernel's list that have lost their parent and then ended: as process 1 and as a subreaper this
 * process is their parent. Nothing is polled: the kernel tells of each end.
 */
export class OrphanReaper {
  #seen = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #onEnd = () => this.#lookLater();

  constructor() {
    process.on("SIGCHLD", this.#onEnd);
    this.#lookLater();
  }

  [Symbol.dispose](): void {
    process.off("SIGCHLD", this.#onEnd);
    clearTimeout(this.#timer);
  }

  #lookLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, SECOND_LOOK_MS);
    this.#timer.unref();
  }

  #look(): void {
    const zombies = (childIds(process.pid) ?? [])
      .flatMap((pid) => readProcess(pid) ?? [])
      .filter(({ state }) => state === "Z");
    const left = new Set<string>();
    for (const { pid, startTime } of zombies) {
      const key = `${pid}.${startTime}`;
      if (!this.#seen.has(key) || !reapChild(pid)) left.add(key);
    }
    this.#seen = left;
    if (left.size > 0) this.#lookLater();
  }
}
