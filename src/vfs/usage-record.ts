import {
  closeSync,
  constants,
  fchownSync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";

import { TEMPORARY_PREFIX } from "../system/durable.ts";
import { type FileStat, statAt, statDescriptor } from "../system/file-stat.ts";
import { tryFlock } from "../system/flock.ts";
import { placeOf } from "./resolve.ts";

/** What the last count found, and what was added since. */
export type CountRecord = { bytes: number; entries: number; startedMs: number; endedMs: number };

/** How long one who has the lock is waited for, in milliseconds: each has it while it counts or adds a piece. */
const WAIT_MS = 10_000;
/** Of many who wait, one may have its turn late: as long as others have theirs it waits on, for so many times as long. */
const MAX_WAITS = 6;
const LONGEST_PAUSE_MS = 3;
/** Called like an unfinished file, so that nothing shows, counts or copies it. */
export const USAGE_RECORD = `${TEMPORARY_PREFIX}usage`;
const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
const FLAGS = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
const MODE = 0o660;
/** Says that it is such a record; the last digit is its version. */
const MAGIC = 0x61_75_72_6f_72_61 * 10 + 1;
/** Magic, device and inode (the words of `FileStat`) of the record's own file, and the four numbers. */
const numbers = new Float64Array(8);
const bytes = new Uint8Array(numbers.buffer);

/**
 * Where all processes that write to one directory tell each other what it holds: a lock, which is the directory's own
 * (flock(2)) and so goes with its holder, and a few numbers in a file in it. The numbers are no more than a shared memory:
 * where they are missing, damaged, or a copy of others', the next who needs them counts.
 */
export class UsageRecord {
  readonly #directory: number;
  readonly #owner: { uid: number; gid: number } | undefined;
  /** The directory while it is locked. */
  #held: number | undefined;
  #file: number | undefined;

  /**
   * @param directory opened with O_PATH
   * @param owner whose the file is to be, where that is not who we are
   */
  constructor(directory: number, owner: { uid: number; gid: number } | undefined) {
    this.#directory = directory;
    this.#owner = owner;
  }

  /** Waits for the lock. Returns false where somebody has it for too long: one that was stopped, say. */
  lock(waitMs = WAIT_MS): boolean {
    const held = openSync(`/proc/self/fd/${this.#directory}/.`, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      if (!tryFlock(held, "exclusive") && !this.#wait(held, waitMs)) {
        closeSync(held);
        return false;
      }
    } catch (thrown) {
      closeSync(held);
      throw thrown;
    }
    this.#held = held;
    return true;
  }

  #wait(held: number, waitMs: number): boolean {
    const started = performance.now();
    let [end, seen] = [started + waitMs, this.#writtenMs()];
    while (!tryFlock(held, "exclusive")) {
      const now = performance.now();
      if (now > end) {
        const written = this.#writtenMs();
        if (written === seen || now > started + MAX_WAITS * waitMs) return false;
        [end, seen] = [now + waitMs, written];
      }
      // Different pauses, so that many do not try at the same moments.
      Bun.sleepSync(Math.ceil(Math.random() * LONGEST_PAUSE_MS));
    }
    return true;
  }

  /** When somebody who had the lock has last written what is there. */
  #writtenMs(): number | undefined {
    return statAt(this.#directory, USAGE_RECORD)?.modifiedMs;
  }

  unlock(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    if (this.#held !== undefined) closeSync(this.#held);
    this.#file = this.#held = undefined;
  }

  /** What was written last; undefined where that cannot be told. Only while it is locked. */
  read(): CountRecord | undefined {
    this.#file ??= this.#open(FLAGS);
    if (this.#file === undefined) return undefined;
    if (readSync(this.#file, bytes, 0, bytes.length, 0) !== bytes.length) return undefined;
    const [magic, device, inodeLow, inodeHigh, size, entries, startedMs, endedMs] = numbers as unknown as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const stat = statDescriptor(this.#file);
    const isOurs =
      magic === MAGIC && device === stat.device && inodeLow === stat.inodeLow && inodeHigh === stat.inodeHigh;
    return isOurs && size >= 0 && entries >= 0 ? { bytes: size, entries, startedMs, endedMs } : undefined;
  }

  /**
   * Where it cannot be written, on a full disk say, it is removed: then everybody counts each time.
   *
   * @throws what node:fs throws where an older one stays
   */
  write(record: CountRecord): void {
    try {
      this.#file ??= this.#open(FLAGS) ?? this.#open(FLAGS | O_CREAT | O_EXCL);
      if (this.#file === undefined) throw new Error("it is not ours");
      const { device, inodeLow, inodeHigh } = statDescriptor(this.#file);
      numbers.set([MAGIC, device, inodeLow, inodeHigh, record.bytes, record.entries]);
      numbers.set([record.startedMs, record.endedMs], 6);
      if (writeSync(this.#file, bytes, 0, bytes.length, 0) !== bytes.length) ftruncateSync(this.#file, 0);
    } catch {
      this.#remove();
    }
  }

  /** Undefined for what is not there, or is no file that is only here: what somebody put in its place is not written to. */
  #open(flags: number): number | undefined {
    let file: number;
    try {
      file = openSync(placeOf(this.#directory, USAGE_RECORD), flags, MODE);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === undefined) throw thrown;
      return undefined;
    }
    try {
      if ((flags & O_CREAT) !== 0 && this.#owner) fchownSync(file, this.#owner.uid, this.#owner.gid);
      const { type, links }: FileStat = statDescriptor(file);
      if (type === "file" && links === 1) return file;
    } catch (thrown) {
      closeSync(file);
      throw thrown;
    }
    closeSync(file);
    return undefined;
  }

  #remove(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    try {
      unlinkSync(placeOf(this.#directory, USAGE_RECORD));
    } catch (thrown) {
      // Something that is no record does no harm. A number that is too low would.
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT" && this.read()) throw thrown;
    }
  }
}
