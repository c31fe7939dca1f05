import { existsSync, lstatSync } from "node:fs";

import {
  appendTimeIndex,
  LOG_STREAMS,
  MAX_SERVICE_INDEX_BYTES,
  MAX_SERVICE_LOG_BYTES,
  serviceLogs,
} from "../process/service-log.ts";
import { type ProcessIdentity, send } from "../process/tree.ts";
import { SmallTable } from "../system/small-table.ts";
import { WriteWatch } from "../system/write-watch.ts";
import { cutServiceLogs } from "./cut-service-logs.ts";
import { freezeTree } from "./freeze-tree.ts";
import { dropOldestLogs, recoverRotation, rotateServiceLogs, wasRotating } from "./rotate-service-logs.ts";
import { type ServiceSpec } from "./service-spec.ts";

/** How precisely the time of a line is known, in milliseconds: so often the logs of a service that prints are looked at. */
export const LOG_TIME_PRECISION_MS = 250;
/** The first line after so many looks without a new one has its time to a few milliseconds. */
const QUIET_LOOKS = 4;
/** After the first line, so that a log that grows fast from the start is noticed. */
const FIRST_LOOK_MS = 50;
/** A log that grows fast is looked at when it is expected to be full, but not more often than this. */
const LEAST_LOOK_MS = 10;
/** So long a service may take to stand still: it may wait for the disk. */
const FREEZE_MS = 2000;
/** After a rotation that did not come about, the next one is tried so much later. */
const RETRY_MS = 1000;

export type LogKeeperHost = {
  /** All living processes of a service. */
  treeOf: (packId: string) => ProcessIdentity[];
  warn: (message: string) => void;
};

type Sizes = { stdout: number; stderr: number };
/** Whose logs they are, and where: the service's spec. No text of it is kept a second time. */
type LogOwner = Pick<ServiceSpec, "packId" | "logDirectory">;
type Kept = {
  owner: LogOwner;
  /** At the last look. */
  sizes: Sizes;
  /** By the clock that nobody sets, as all that is decided here. */
  lookedMs: number;
  /** Looks in a row that found nothing new; undefined while nobody looks and the next write is waited for. */
  quietLooks: number | undefined;
  watches: number[];
  /** How long the index is. */
  indexBytes: number;
  /** What the last note says: the same is not noted again. */
  notedBytes: number;
  isRotating: boolean;
  retryMs: number;
  /** What was said already, since the logs were put aside. */
  warnings: readonly string[];
};

const none: readonly string[] = [];

/**
 * Looks after the logs that services write themselves: notes when they grew, and puts them aside when they are full. A
 * service that prints nothing costs nothing.
 */
export class LogKeeper {
  readonly #host: LogKeeperHost;
  readonly #kept = new SmallTable<string, Kept>();
  readonly #rotations = new Set<Promise<void>>();
  readonly #byWatch = new SmallTable<number, Kept>();
  #watch: WriteWatch | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = Infinity;

  constructor(host: LogKeeperHost) {
    this.#host = host;
  }

  /** A service writes to its logs from now on, or will in a moment. */
  add(owner: LogOwner): void {
    const { packId, logDirectory } = owner;
    const known = this.#kept.get(packId);
    // A log that somebody has removed is another file with the next start, so what is waited for is asked for anew.
    if (known?.owner.logDirectory === logDirectory && known.quietLooks !== undefined) {
      known.owner = owner;
      return;
    }
    this.remove(packId);
    const kept: Kept = {
      owner,
      sizes: sizesOf(logDirectory),
      lookedMs: performance.now(),
      quietLooks: undefined,
      watches: [],
      indexBytes: sizeOf(serviceLogs(logDirectory).index),
      notedBytes: -1,
      isRotating: false,
      retryMs: 0,
      warnings: none,
    };
    this.#kept.set(packId, kept);
    this.#await(kept);
  }

  /** Sets right what a daemon that died in the middle of a rotation has left: the service may stand still since. */
  recover({ packId, logDirectory }: LogOwner): void {
    if (!wasRotating(logDirectory)) return;
    const tree = this.#host.treeOf(packId);
    // It stands still, or has ended, but for what may have been woken by somebody else.
    for (const identity of tree) send(identity, "SIGSTOP");
    try {
      recoverRotation(logDirectory);
    } catch (thrown) {
      // It is tried again by the next daemon; what there is of the logs stays where it is.
      this.#host.warn(`cannot set the logs of "${packId}" right: ${(thrown as Error).message}`);
    } finally {
      for (const identity of tree) send(identity, "SIGCONT");
    }
  }

  /** As `Fleet.gather`. */
  gather(): void {
    for (const kept of this.#kept.values()) {
      // A rotation has hold of it.
      if (kept.isRotating) continue;
      const again = { ...kept, sizes: { ...kept.sizes }, watches: [...kept.watches] };
      this.#kept.set(kept.owner.packId, again);
      for (const watch of again.watches) this.#byWatch.set(watch, again);
    }
  }

  /** Nothing writes any more. */
  remove(packId: string): void {
    const kept = this.#kept.get(packId);
    if (!kept) return;
    if (kept.quietLooks === undefined) kept.lookedMs = performance.now();
    this.#note(kept);
    this.#unwatch(kept);
    this.#kept.delete(packId);
  }

  /** Lets a rotation that is under way come to its end, so that no service is left standing still. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.all(this.#rotations);
    this.#kept.clear();
    this.#byWatch.clear();
    await this.#watch?.[Symbol.asyncDispose]();
  }

  /** Waits for the next write. */
  #await(kept: Kept): void {
    kept.quietLooks = undefined;
    try {
      this.#watch ??= new WriteWatch((watch) => this.#written(watch));
      const logs = serviceLogs(kept.owner.logDirectory);
      for (const stream of LOG_STREAMS) {
        // What somebody has removed is written on, but nobody will read that.
        if (!existsSync(logs[stream])) continue;
        const watch = this.#watch.add(logs[stream]);
        kept.watches.push(watch);
        this.#byWatch.set(watch, kept);
      }
    } catch {
      // There are no more watches to be had, or no such thing: then it is looked at all the time.
      return this.#wake(kept);
    }
    // What came between the last look and the watch, or was left by an earlier daemon.
    if (hasGrown(kept.sizes, sizesOf(kept.owner.logDirectory)) || isFull(kept)) this.#wake(kept);
  }

  #written(watch: number): void {
    const kept = this.#byWatch.get(watch);
    if (kept) this.#wake(kept);
  }

  #unwatch(kept: Kept): void {
    for (const watch of kept.watches) {
      this.#watch?.remove(watch);
      this.#byWatch.delete(watch);
    }
    kept.watches.length = 0;
  }

  #wake(kept: Kept): void {
    this.#unwatch(kept);
    if (this.#kept.get(kept.owner.packId) !== kept) return;
    kept.lookedMs = performance.now();
    kept.quietLooks = 0;
    this.#appendIndex(kept, kept.sizes);
    this.#arm(kept.lookedMs + FIRST_LOOK_MS);
  }

  #arm(dueMs: number): void {
    if (dueMs >= this.#dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => this.#look(), Math.max(1, dueMs - performance.now()));
  }

  #look(): void {
    this.#dueMs = Infinity;
    for (const kept of this.#kept.values()) {
      if (kept.quietLooks === undefined || kept.isRotating) continue;
      const dueMs = this.#lookAt(kept);
      // A full log is tried again, also when nothing is written to it any more.
      if (isFull(kept)) this.#arm(Math.max(dueMs, kept.retryMs));
      else if (kept.quietLooks >= QUIET_LOOKS) this.#await(kept);
      else this.#arm(dueMs);
    }
  }

  /** Returns when to look again. */
  #lookAt(kept: Kept): number {
    const before = kept.sizes;
    const elapsedMs = Math.max(1, performance.now() - kept.lookedMs);
    const isNew = this.#note(kept);
    kept.quietLooks = isNew ? 0 : (kept.quietLooks ?? 0) + 1;
    const { lookedMs, sizes } = kept;
    if (isFull(kept) && lookedMs >= kept.retryMs) this.#begin(kept);
    const timesMs = LOG_STREAMS.map((stream) => {
      const perMs = (sizes[stream] - before[stream]) / elapsedMs;
      return perMs > 0 ? Math.max(0, MAX_SERVICE_LOG_BYTES - sizes[stream]) / perMs : Infinity;
    });
    return lookedMs + Math.max(LEAST_LOOK_MS, Math.min(LOG_TIME_PRECISION_MS, ...timesMs));
  }

  /** Notes since when the logs have what they have more than at the last look. */
  #note(kept: Kept): boolean {
    const sizes = sizesOf(kept.owner.logDirectory);
    const isNew = hasGrown(kept.sizes, sizes);
    if (isNew) this.#appendIndex(kept, kept.sizes);
    kept.sizes = sizes;
    kept.lookedMs = performance.now();
    return isNew;
  }

  #begin(kept: Kept): void {
    kept.isRotating = true;
    const rotation = this.#rotate(kept).finally(() => this.#rotations.delete(rotation));
    this.#rotations.add(rotation);
  }

  async #rotate(kept: Kept): Promise<void> {
    const { packId, logDirectory } = kept.owner;
    try {
      let result = await this.#rotateOnce(kept);
      while (result === "no-space" && dropOldestLogs(logDirectory)) result = await this.#rotateOnce(kept);
      if (result === "rotated") {
        kept.sizes = { stdout: 0, stderr: 0 };
        kept.indexBytes = 0;
        kept.notedBytes = -1;
        kept.warnings = none;
        this.#appendIndex(kept, kept.sizes);
      } else if (result === "no-space" && (await cutServiceLogs(logDirectory, this.#freezer(kept)))) {
        kept.sizes = sizesOf(logDirectory);
        kept.lookedMs = performance.now();
        kept.indexBytes = sizeOf(serviceLogs(logDirectory).index);
        kept.notedBytes = -1;
        this.#warn(kept, `the disk is full: only the end is left of the logs of "${packId}"`);
      } else {
        kept.retryMs = performance.now() + RETRY_MS;
        if (result === "no-space")
          this.#warn(kept, `cannot put the logs of "${packId}" aside: there is no space for a copy`);
      }
    } catch (thrown) {
      kept.retryMs = performance.now() + RETRY_MS;
      this.#warn(kept, `cannot put the logs of "${packId}" aside: ${(thrown as Error).message}`);
    }
    kept.isRotating = false;
    if (this.#kept.get(packId) === kept) this.#arm(performance.now() + LEAST_LOOK_MS);
  }

  #rotateOnce(kept: Kept) {
    return rotateServiceLogs(kept.owner.logDirectory, this.#freezer(kept));
  }

  #freezer({ owner: { packId } }: Kept) {
    return () => freezeTree(() => this.#host.treeOf(packId), FREEZE_MS);
  }

  /** Each message once, until the logs could be put aside again. */
  #warn(kept: Kept, message: string): void {
    if (kept.warnings.includes(message)) return;
    kept.warnings = [...kept.warnings, message];
    this.#host.warn(message);
  }

  /** A note that cannot be made, on a full disk, makes times less precise, and that is all. */
  #appendIndex(kept: Kept, sizes: Sizes): void {
    const { owner, lookedMs } = kept;
    const bytes = sizes.stdout + sizes.stderr;
    if (bytes === kept.notedBytes) return;
    kept.notedBytes = bytes;
    try {
      kept.indexBytes += appendTimeIndex(owner.logDirectory, wallTimeOf(lookedMs), sizes);
    } catch {
      return;
    }
  }
}

/** What the clock on the wall would have shown then. */
function wallTimeOf(monotonicMs: number): string {
  return new Date(Date.now() - (performance.now() - monotonicMs)).toISOString();
}

function isFull({ sizes, indexBytes }: Kept): boolean {
  const isLogFull = LOG_STREAMS.some((stream) => sizes[stream] >= MAX_SERVICE_LOG_BYTES);
  return isLogFull || indexBytes >= MAX_SERVICE_INDEX_BYTES;
}

function hasGrown(before: Sizes, now: Sizes): boolean {
  return LOG_STREAMS.some((stream) => now[stream] > before[stream]);
}

function sizesOf(logDirectory: string): Sizes {
  const logs = serviceLogs(logDirectory);
  return { stdout: sizeOf(logs.stdout), stderr: sizeOf(logs.stderr) };
}

function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
