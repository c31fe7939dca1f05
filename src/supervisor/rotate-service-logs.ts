import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";

import { KEPT_SERVICE_LOGS, LOG_STREAMS, serviceLogs } from "../process/service-log.ts";
import { writeFully } from "../system/durable.ts";
import { type FrozenTree } from "./freeze-tree.ts";

/** So much is copied at once, before others have their turn. */
const BLOCK_BYTES = 1024 ** 2;
/** What is left to copy while the service stands still, where it does not write faster than can be copied. */
const LAST_BYTES = 256 * 1024;
const MAX_ROUNDS = 20;
/** A line of more than this is cut into two, so that one without an end does not keep a log from being put aside. */
const MAX_WHOLE_LINE_BYTES = 32 * 1024 ** 2;
const MODE = 0o640;
const NEWLINE = 0x0a;

const buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);

/** `busy`: the service could not be made to stand still, or its last line has no end yet. */
export type Rotation = "rotated" | "busy" | "no-space";

/**
 * Puts the logs of a running service aside, as `.1`, and empties them under it: it writes on through the descriptors that it
 * has. What is there is copied while it runs; it stands still for the last of it only. No byte is lost or doubled, and a
 * line that is not whole yet stays where it is written on. Works on any file system.
 *
 * A crash at any point leaves what `recoverRotation` sets right.
 *
 * @param freeze makes the service stand still; undefined where it cannot
 */
export async function rotateServiceLogs(
  logDirectory: string,
  freeze: () => Promise<FrozenTree | undefined>,
): Promise<Rotation> {
  const copies = streamsOf(logDirectory).flatMap((path) => LogCopy.open(path) ?? []);
  try {
    for (const copy of copies) await copy.copyMost();
    const frozen = await freeze();
    if (!frozen) return "busy";
    try {
      // From here on without a turn of the event loop, in which somebody could wake it.
      if (!frozen.holds()) return "busy";
      for (const copy of copies) copy.copyRest();
      const cut = copies.filter((copy) => copy.findCut());
      if (cut.length === 0) return "busy";
      for (const copy of cut) copy.empty();
      putAside(logDirectory);
    } finally {
      frozen.thaw();
    }
    return "rotated";
  } catch (thrown) {
    if (!isNoSpace(thrown)) throw thrown;
    return "no-space";
  } finally {
    for (const copy of copies) copy.close();
  }
}

/** Removes the oldest logs that are kept. False where there are none. */
export function dropOldestLogs(logDirectory: string): boolean {
  for (let age = KEPT_SERVICE_LOGS; age >= 1; age--) {
    const paths = allOf(logDirectory).map((path) => `${path}.${age}`);
    if (!paths.some((path) => sizeOf(path) !== undefined)) continue;
    for (const path of paths) rmSync(path, { force: true });
    return true;
  }
  return false;
}

/**
 * Sets right what a crash in the middle of a rotation has left. Nothing of the service may be running: it stands still, or
 * has ended.
 */
export function recoverRotation(logDirectory: string): void {
  let isAnyAside = false;
  for (const path of streamsOf(logDirectory)) {
    rmSync(newOf(path), { force: true });
    const size = sizeOf(fullOf(path));
    if (size === undefined) continue;
    if (isStillWhole(path, size)) rmSync(fullOf(path));
    else {
      finishEmptying(path, size);
      isAnyAside = true;
    }
  }
  if (isAnyAside) putAside(logDirectory);
}

/** Whether a rotation was under way when whoever made it died: the service may stand still since. */
export function wasRotating(logDirectory: string): boolean {
  return streamsOf(logDirectory).some(
    (path) => sizeOf(newOf(path)) !== undefined || sizeOf(fullOf(path)) !== undefined,
  );
}

const newOf = (path: string) => `${path}.new`;
const fullOf = (path: string) => `${path}.full`;

function streamsOf(logDirectory: string): string[] {
  const logs = serviceLogs(logDirectory);
  return LOG_STREAMS.map((stream) => logs[stream]);
}

function allOf(logDirectory: string): string[] {
  return [...streamsOf(logDirectory), serviceLogs(logDirectory).index];
}

/** One log on its way: `.new` while it is copied, `.full` from when all of it is in the copy, then `.1`. */
class LogCopy {
  readonly #path: string;
  readonly #log: number;
  readonly #copy: number;
  #copiedBytes = 0;
  /** Behind the last whole line. */
  #cut = 0;
  #isFull = false;

  private constructor(path: string, log: number, copy: number) {
    this.#path = path;
    this.#log = log;
    this.#copy = copy;
  }

  static open(path: string): LogCopy | undefined {
    if (sizeOf(path) === undefined) return undefined;
    const log = openSync(path, "r");
    return new LogCopy(path, log, openSync(newOf(path), "w+", MODE));
  }

  async copyMost(): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const size = fstatSync(this.#log).size;
      if (size - this.#copiedBytes <= LAST_BYTES) return;
      while (this.#copiedBytes < size && this.#copyBlock() > 0)
        await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  copyRest(): void {
    while (this.#copyBlock() > 0);
  }

  #copyBlock(): number {
    const length = readSync(this.#log, buffer, 0, BLOCK_BYTES, this.#copiedBytes);
    writeFully(this.#copy, buffer.subarray(0, length));
    this.#copiedBytes += length;
    return length;
  }

  /** False where there is no whole line. */
  findCut(): boolean {
    this.#cut = cutOf(this.#copy, this.#copiedBytes);
    return this.#cut > 0;
  }

  empty(): void {
    renameSync(newOf(this.#path), fullOf(this.#path));
    this.#isFull = true;
    truncateSync(this.#path, 0);
    moveTail(this.#path, this.#copy, this.#cut, this.#copiedBytes);
  }

  close(): void {
    closeSync(this.#log);
    closeSync(this.#copy);
    if (!this.#isFull) rmSync(newOf(this.#path), { force: true });
  }
}

/** Brings what follows the last whole line back into the log. Where the disk has no room for it, it stays in the copy. */
function moveTail(path: string, copy: number, from: number, to: number): void {
  const log = openSync(path, "a");
  try {
    for (let at = from; at < to;) {
      const length = readSync(copy, buffer, 0, Math.min(BLOCK_BYTES, to - at), at);
      writeFully(log, buffer.subarray(0, length));
      at += length;
    }
    ftruncateSync(copy, from);
  } catch (thrown) {
    if (!isNoSpace(thrown)) throw thrown;
    ftruncateSync(log, 0);
  } finally {
    closeSync(log);
  }
}

/** Where the last whole line ends; the whole size where the last line is longer than any that is kept whole. */
function cutOf(descriptor: number, size: number): number {
  for (let end = size; end > 0;) {
    const length = Math.min(BLOCK_BYTES, end);
    const read = readSync(descriptor, buffer, 0, length, end - length);
    const at = buffer.subarray(0, read).lastIndexOf(NEWLINE);
    if (at !== -1) return end - length + at + 1;
    end -= length;
    if (size - end > MAX_WHOLE_LINE_BYTES) return size;
  }
  return 0;
}

/** The copies become `.1`, the older ones `.2` and so on; the index goes with them. */
function putAside(logDirectory: string): void {
  const { index } = serviceLogs(logDirectory);
  for (const path of allOf(logDirectory)) {
    rmSync(`${path}.${KEPT_SERVICE_LOGS}`, { force: true });
    for (let age = KEPT_SERVICE_LOGS - 1; age >= 1; age--)
      renameIfThere(`${path}.${age}`, `${path}.${age + 1}`);
    renameIfThere(path === index ? path : fullOf(path), `${path}.1`);
  }
}

/** The log begins with what was copied: it was not emptied yet. */
function isStillWhole(path: string, copiedBytes: number): boolean {
  if ((sizeOf(path) ?? 0) < copiedBytes) return false;
  const [log, copy] = [openSync(path, "r"), openSync(fullOf(path), "r")];
  try {
    for (let at = 0; at < copiedBytes; at += BLOCK_BYTES) {
      const length = Math.min(BLOCK_BYTES, copiedBytes - at);
      const ours = Buffer.alloc(length);
      readSync(copy, ours, 0, length, at);
      readSync(log, buffer, 0, length, at);
      if (!buffer.subarray(0, length).equals(ours)) return false;
    }
    return true;
  } finally {
    closeSync(log);
    closeSync(copy);
  }
}

/** Goes on where `empty` was interrupted: after the log was emptied, before or after its last line came back. */
function finishEmptying(path: string, copiedBytes: number): void {
  const copy = openSync(fullOf(path), "r+");
  try {
    const cut = cutOf(copy, copiedBytes);
    const back = sizeOf(path) ?? 0;
    if (cut < copiedBytes && back <= copiedBytes - cut) moveTail(path, copy, cut + back, copiedBytes);
    ftruncateSync(copy, cut);
  } finally {
    closeSync(copy);
  }
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
  }
}

function isNoSpace(thrown: unknown): boolean {
  const { code } = thrown as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
}
