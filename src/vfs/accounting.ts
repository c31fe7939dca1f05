import { type Quota, type Usage } from "./mount.ts";
import { vfsError } from "./vfs-error.ts";
import { type VfsPath } from "./vfs-path.ts";

/** What others write is counted at the latest after so long. */
export const MAX_COUNT_AGE_MS = 1000;

/** Keeps a quota on a disk: counts what is there, and then what is added. Without a quota it does nothing. */
export class Accounting {
  readonly #count: () => Usage;
  readonly #now: () => number;
  readonly quota: Quota;
  #used = { bytes: 0, entries: 0 };
  #countedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param count looks at everything, but for unfinished files: those are counted when they get their names
   * @param now milliseconds
   */
  constructor(count: () => Usage, quota: Quota, now: () => number) {
    this.#count = count;
    this.quota = quota;
    this.#now = now;
  }

  get isLimited(): boolean {
    return this.quota.bytes !== undefined || this.quota.entries !== undefined;
  }

  /** What is there now. */
  usage(): Usage {
    return this.#count();
  }

  /** Throws `quota-exceeded` where so much more is more than allowed. Something may have been removed: then it looks again. */
  require(bytes: number, entries: number, path: VfsPath, verb: string): void {
    if (!this.isLimited) return;
    if (this.#now() - this.#countedAt > MAX_COUNT_AGE_MS) this.#recount();
    if (this.#fits(bytes, entries)) return;
    this.#recount();
    if (!this.#fits(bytes, entries))
      throw vfsError("quota-exceeded", path, verb, "the quota does not allow it");
  }

  add(bytes: number, entries: number): void {
    this.#used.bytes += bytes;
    this.#used.entries += entries;
  }

  #fits(bytes: number, entries: number): boolean {
    const { bytes: maxBytes = Infinity, entries: maxEntries = Infinity } = this.quota;
    return (
      (bytes <= 0 || this.#used.bytes + bytes <= maxBytes) &&
      (entries <= 0 || this.#used.entries + entries <= maxEntries)
    );
  }

  #recount(): void {
    const { bytes, entries } = this.#count();
    this.#used = { bytes, entries };
    this.#countedAt = this.#now();
  }
}
