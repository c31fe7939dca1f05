import { type Quota, type Usage } from "./mount.ts";
import { type CountRecord, type UsageRecord } from "./usage-record.ts";
import { vfsError } from "./vfs-error.ts";
import { type VfsPath } from "./vfs-path.ts";

/** What others write past Aurora is counted at the latest after so long. */
export const MAX_COUNT_AGE_MS = 1000;

/** What something adds to the sum of all file sizes and to the number of names; less than 0 for what it frees. */
export type Growth = { bytes: number; entries: number };

/**
 * Keeps a quota on a disk, exactly however many processes write: whatever makes the directory larger is done under one lock, in
 * which the last count and what was added since are known. Without a quota it does nothing.
 */
export class Accounting {
  readonly quota: Quota;
  readonly #count: () => Usage;
  readonly #record: UsageRecord;
  readonly #now: () => number;
  #isHeld = false;
  /** When what is being done was begun. */
  #begunMs = 0;
  /** Counts from before are not trusted: what was written past Aurora before this command counts for it. */
  #trustedFromMs = Number.NaN;

  /**
   * @param count looks at everything, but for unfinished files: those are counted when they get their names
   * @param now milliseconds since 1970
   */
  constructor(count: () => Usage, quota: Quota, record: UsageRecord, now: () => number) {
    this.#count = count;
    this.quota = quota;
    this.#record = record;
    this.#now = now;
  }

  get isLimited(): boolean {
    return this.quota.bytes !== undefined || this.quota.entries !== undefined;
  }

  /** Throws `quota-exceeded` where so much more is more than allowed now. Nothing is kept for it. */
  require(growth: Growth, path: VfsPath, verb: string): void {
    if (this.isLimited) this.exclusively(path, verb, () => void this.#requireRoom(growth, path, verb));
  }

  /**
   * Does what makes the directory larger by so much, if that fits.
   *
   * @throws {AuroraError} `quota-exceeded`, and then nothing was done; `locked` as `exclusively`
   */
  grow<T>(growth: Growth, path: VfsPath, verb: string, work: () => T): T {
    if (!this.isLimited) return work();
    return this.exclusively(path, verb, () => {
      const counted = this.#requireRoom(growth, path, verb);
      const { bytes, entries } = growth;
      // Before it is done: whoever is killed meanwhile leaves a number that is too high, and the next who does not fit counts.
      this.#record.write(plus(counted, Math.max(bytes, 0), Math.max(entries, 0)));
      const result = work();
      if (bytes < 0 || entries < 0) this.#record.write(plus(counted, bytes, entries));
      return result;
    });
  }

  /**
   * Does what nobody must count in the middle of: a name that moves meanwhile might be seen nowhere.
   *
   * @throws {AuroraError} `locked` where others are at it for too long
   */
  exclusively<T>(path: VfsPath, verb: string, work: () => T): T {
    if (!this.isLimited || this.#isHeld) return work();
    this.#begunMs = this.#now();
    if (Number.isNaN(this.#trustedFromMs)) this.#trustedFromMs = this.#begunMs + 1;
    if (!this.#record.lock())
      throw vfsError("locked", path, verb, "others are writing to what the same quota counts");
    this.#isHeld = true;
    try {
      return work();
    } finally {
      this.#isHeld = false;
      this.#record.unlock();
    }
  }

  #requireRoom(growth: Growth, path: VfsPath, verb: string): CountRecord {
    const last = this.#lastCount();
    if (last && this.#fits(last, growth)) return last;
    // Something may have been removed since. Whoever counted after we had begun has seen that for us.
    const counted = last && last.startedMs > this.#begunMs ? last : this.#recount();
    if (!this.#fits(counted, growth))
      throw vfsError("quota-exceeded", path, verb, "the quota does not allow it");
    return counted;
  }

  #lastCount(): CountRecord | undefined {
    const last = this.#record.read();
    if (!last) return undefined;
    const ageMs = this.#now() - last.endedMs;
    return last.startedMs >= this.#trustedFromMs && ageMs >= 0 && ageMs <= MAX_COUNT_AGE_MS
      ? last
      : undefined;
  }

  #recount(): CountRecord {
    const startedMs = this.#now();
    const { bytes, entries } = this.#count();
    const counted = { bytes, entries, startedMs, endedMs: this.#now() };
    this.#record.write(counted);
    this.#trustedFromMs = Math.min(this.#trustedFromMs, startedMs);
    return counted;
  }

  #fits(counted: CountRecord, { bytes, entries }: Growth): boolean {
    const { bytes: maxBytes = Infinity, entries: maxEntries = Infinity } = this.quota;
    return (
      (bytes <= 0 || counted.bytes + bytes <= maxBytes) &&
      (entries <= 0 || counted.entries + entries <= maxEntries)
    );
  }
}

function plus(counted: CountRecord, bytes: number, entries: number): CountRecord {
  return { ...counted, bytes: counted.bytes + bytes, entries: counted.entries + entries };
}
