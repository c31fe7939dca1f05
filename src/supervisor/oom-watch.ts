import { readFileSync } from "node:fs";

/** What was killed for lack of memory on the whole machine, from one look to the next. */
export type MachineKills = { killed: number; since: Date };

/** Tells whether the kernel has killed anything for lack of memory, by its own count. Nothing is polled. */
export class OomWatch {
  readonly #path: string;
  #count: number | null;
  #since: Date;

  /** @param path of the kernel's counts, for tests */
  constructor(path = "/proc/vmstat", now = new Date()) {
    this.#path = path;
    this.#count = oomKills(path);
    this.#since = now;
  }

  /** How many since the look before this one, or since this was made; null where the kernel does not count (before 4.13). */
  look(now = new Date()): MachineKills | null {
    const [before, count, since] = [this.#count, oomKills(this.#path), this.#since];
    this.#count = count;
    this.#since = now;
    return before === null || count === null ? null : { killed: count - before, since };
  }
}

const NAME = "\noom_kill ";

function oomKills(path: string): number | null {
  try {
    // Each service that is killed waits for this: a pattern for the line would be tried at each line.
    const text = readFileSync(path, "latin1");
    const at = text.indexOf(NAME);
    return at === -1 ? null : Number.parseInt(text.slice(at + NAME.length), 10);
  } catch {
    return null;
  }
}
