import { AuroraError } from "../errors.ts";
import { tryFlock } from "../system/flock.ts";
import { CHUNK_BYTES, type Copied, type CopyOptions } from "./copy.ts";
import { type DiskMountOptions } from "./disk-mount.ts";
import { type MountInfo, type MountSpec } from "./mount-table.ts";
import {
  type Entry,
  type OpenLog,
  type Quota,
  type Watch,
  type WatchEvent,
  type WriteOptions,
} from "./mount.ts";
import { openDirectory } from "./open-mounts.ts";
import { SyncVfs } from "./sync-vfs.ts";
import { tarOf } from "./tar.ts";
import { vfsError } from "./vfs-error.ts";
import { parseVfsPath } from "./vfs-path.ts";
import { type WalkEntry } from "./walk.ts";

/** How long an append waits for others, in milliseconds. */
const DEFAULT_WAIT_MS = 10_000;
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 20;

export type VfsOptions = {
  /** The directory that is the pack's root. */
  root: string;
  mounts?: readonly MountSpec[];
  /** What the root may hold. */
  quota?: Quota;
} & Pick<DiskMountOptions, "resolve" | "now">;

/** Bytes in one piece, or in pieces as they come. */
export type Content = string | Uint8Array | AsyncIterable<Uint8Array>;

/**
 * Opens a pack's namespace.
 *
 * @throws {AuroraError} `not-found` where the root is not there; as `mountTable`
 */
export function openVfs({ root, mounts = [], ...options }: VfsOptions): Vfs {
  return new Vfs(new SyncVfs(openDirectory("/", root, options), mounts));
}

/**
 * A pack's files, as promises. Content moves in pieces of 256 KiB, and others get their turn between them; a look or a
 * rename is one or two system calls, which no thread would make shorter. `sync` has the same without promises.
 */
export class Vfs implements Disposable {
  readonly sync: SyncVfs;

  constructor(sync: SyncVfs) {
    this.sync = sync;
  }

  [Symbol.dispose](): void {
    this.sync[Symbol.dispose]();
  }

  /** As `SyncVfs.mount`. */
  mount(spec: MountSpec): void {
    this.sync.mount(spec);
  }

  mounts(): MountInfo[] {
    return this.sync.mounts();
  }

  /** The whole content. Throws as `SyncVfs.read`. */
  async read(path: string, limitBytes?: number): Promise<Uint8Array> {
    return this.sync.read(path, limitBytes);
  }

  async readText(path: string): Promise<string> {
    return this.sync.readText(path);
  }

  /** The content piece by piece. A piece's memory is used again for the next: copy what is to be kept. */
  async *chunks(path: string): AsyncGenerator<Uint8Array> {
    using file = this.sync.open(path);
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, file.sizeBytes + 1));
    const turns = new Turns();
    for (;;) {
      const length = file.read(buffer);
      if (length === 0) return;
      yield buffer.subarray(0, length);
      await turns.give();
    }
  }

  /** The content as a stream, whose pieces are the reader's to keep. */
  stream(path: string): ReadableStream<Uint8Array> {
    const chunks = this.chunks(path);
    return new ReadableStream({
      pull: async (controller) => {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(Uint8Array.from(value));
      },
      cancel: async () => void (await chunks.return(undefined)),
    });
  }

  /**
   * Replaces or creates a file with what comes. Throws as `SyncVfs.write`; also when the content itself fails, the old stays.
   *
   * @param signal stops it: nothing is left behind
   * @returns how many bytes were written
   */
  async write(
    path: string,
    content: Content,
    options: WriteOptions = {},
    signal?: AbortSignal,
  ): Promise<number> {
    if (typeof content === "string" || content instanceof Uint8Array) {
      this.sync.write(path, content, options);
      return Buffer.byteLength(content);
    }
    using pending = this.sync.create(path, options);
    const written = await pour(content, (bytes) => pending.write(bytes), signal);
    pending.commit();
    return written;
  }

  /** Creates a file that must not be there. Throws `exists`. */
  async create(path: string, content: Content, options: WriteOptions = {}): Promise<number> {
    return await this.write(path, content, { ...options, isNew: true });
  }

  /**
   * Adds a record to the end of a file. Records of all who append here stay whole, one after the other; one that fails leaves
   * no part of it.
   *
   * @param waitMs how long to wait for others
   * @throws {AuroraError} `locked` after that time
   */
  async append(
    path: string,
    content: Content,
    { waitMs = DEFAULT_WAIT_MS, ...options }: WriteOptions & { waitMs?: number } = {},
    signal?: AbortSignal,
  ): Promise<number> {
    const { chunks, rest } = await gathered(content);
    using log = await this.#lockedLog(path, options, waitMs);
    let written = 0;
    for (const chunk of chunks) {
      log.write(chunk);
      written += chunk.length;
    }
    if (rest) written += await pour(rest, (bytes) => log.write(bytes), signal);
    log.commit();
    return written;
  }

  async names(path: string): Promise<string[]> {
    return this.sync.names(path);
  }

  async list(path: string): Promise<Entry[]> {
    return this.sync.list(path);
  }

  async stat(path: string, isFollowing?: boolean): Promise<Entry> {
    return this.sync.stat(path, isFollowing);
  }

  async *walk(path: string): AsyncGenerator<WalkEntry> {
    yield* this.sync.walk(path);
  }

  /**
   * The paths that match a pattern (`Bun.Glob`'s: `*`, `**`, `?`, `[a-z]`, `{a,b}`, `!`), relative to a directory. It is
   * matched against what the walk finds, so no pattern leads out.
   */
  async glob(pattern: string, directory = "/"): Promise<string[]> {
    const glob = new Bun.Glob(pattern);
    const found: string[] = [];
    for (const { relative } of this.sync.walk(directory))
      if (relative.isWellFormed() && glob.match(relative)) found.push(relative);
    return found;
  }

  async makeDirectory(path: string, options?: { hasParents?: boolean; isDurable?: boolean }): Promise<void> {
    this.sync.makeDirectory(path, options);
  }

  async remove(path: string, isRecursive?: boolean, isDurable?: boolean): Promise<void> {
    this.sync.remove(path, isRecursive, isDurable);
  }

  /** As `SyncVfs.rename`; a signal stops a move from one mount to another, and nothing has moved. */
  async rename(from: string, to: string, options?: WriteOptions, signal?: AbortSignal): Promise<void> {
    await taken(this.sync.renameSteps(from, to, options), signal);
  }

  /** As `SyncVfs.copy`; stopped by a signal, it removes what it has made. */
  async copy(from: string, to: string, options?: CopyOptions, signal?: AbortSignal): Promise<Copied> {
    return await taken(this.sync.copySteps(from, to, options), signal);
  }

  async symlink(target: string, path: string, isDurable?: boolean): Promise<void> {
    this.sync.symlink(target, path, isDurable);
  }

  async readLink(path: string): Promise<string> {
    return this.sync.readLink(path);
  }

  async setExecutable(path: string, isExecutable: boolean): Promise<void> {
    this.sync.setExecutable(path, isExecutable);
  }

  /**
   * What changes in a directory or a file from the call on, until `signal` aborts or it is gone. The directory that is there now is
   * watched, also when it is moved; what is in its directories is not. The root of a mount is gone when it is moved, and is never gone while this is
   * open; what was begun goes on when this is disposed of.
   */
  watch(path: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    return untilAborted(this.sync.watch(path), signal);
  }

  /**
   * Takes an advisory lock on a file (flock(2)): whoever else asks for it waits, in this process or another. Dispose it to let
   * go.
   *
   * @throws {AuroraError} `locked` after `waitMs`, `not-supported` for what is in memory
   */
  async lock(
    path: string,
    kind: "shared" | "exclusive" = "exclusive",
    waitMs = DEFAULT_WAIT_MS,
  ): Promise<Disposable> {
    const file = this.sync.open(path);
    const parsed = parseVfsPath(path);
    try {
      const { descriptor } = file;
      if (descriptor === undefined) throw vfsError("not-supported", parsed, "lock", "it is in memory");
      const isTaken = await tryUntil(waitMs, () => tryFlock(descriptor, kind) || undefined);
      if (!isTaken) throw vfsError("locked", parsed, "lock", "somebody else holds it");
      return file;
    } catch (thrown) {
      file[Symbol.dispose]();
      throw thrown;
    }
  }

  /** Everything below a path as a tar archive, piece by piece; `warn` gets what no archive can hold. */
  exportTar(path: string, warn: (message: string) => void): Generator<Uint8Array> {
    return tarOf(this.sync, parseVfsPath(path), warn);
  }

  /** As `SyncVfs.importDirectory`; a signal stops it. */
  async importDirectory(
    directory: string,
    to: string,
    options?: CopyOptions,
    signal?: AbortSignal,
  ): Promise<Copied> {
    return await taken(this.sync.importSteps(directory, to, options), signal);
  }

  /** Tries until the file is free and still the one at the path. */
  async #lockedLog(path: string, options: WriteOptions, waitMs: number): Promise<OpenLog> {
    const log = await tryUntil(waitMs, () => this.sync.openLog(path, options));
    if (log) return log;
    throw vfsError(
      "locked",
      parseVfsPath(path),
      "append to",
      "others are adding to it",
      "--wait says how long to wait for them",
    );
  }
}

/** How long steps are taken before others get their turn, in milliseconds. */
const TURN_MS = 10;

/** Lets timers, signals and requests have their turn now and then: one `await` alone gives it to promises only. */
class Turns {
  #until = performance.now() + TURN_MS;

  async give(): Promise<void> {
    if (performance.now() < this.#until) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#until = performance.now() + TURN_MS;
  }
}

/** Takes all steps, but leaves them when the signal aborts. */
async function taken<Result>(steps: Generator<void, Result>, signal?: AbortSignal): Promise<Result> {
  const turns = new Turns();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await turns.give();
    if (!signal?.aborted) continue;
    steps.return(undefined as Result);
    throw interrupted();
  }
}

/** Tries at once and then again and again, with longer pauses that differ, so that many do not try at the same moments. */
async function tryUntil<T>(waitMs: number, attempt: () => T | undefined): Promise<T | undefined> {
  const end = performance.now() + waitMs;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const result = attempt();
    if (result !== undefined || performance.now() > end) return result;
    await Bun.sleep(pause * (0.5 + Math.random()));
  }
}

/** A record of at most so many bytes is taken in whole before the lock, so that a slow sender keeps nobody waiting. */
const GATHERED_BYTES = 1024 ** 2;

type Gathered = { chunks: Uint8Array[]; rest: AsyncIterable<Uint8Array> | undefined };

async function gathered(content: Content): Promise<Gathered> {
  if (typeof content === "string") return { chunks: [Buffer.from(content)], rest: undefined };
  if (content instanceof Uint8Array) return { chunks: [content], rest: undefined };
  const iterator = content[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  for (let bytes = 0; bytes < GATHERED_BYTES;) {
    const { done, value } = await iterator.next();
    if (done) return { chunks, rest: undefined };
    chunks.push(Uint8Array.from(value));
    bytes += value.length;
  }
  return { chunks, rest: { [Symbol.asyncIterator]: () => iterator } };
}

async function pour(
  content: AsyncIterable<Uint8Array>,
  write: (bytes: Uint8Array) => void,
  signal: AbortSignal | undefined,
): Promise<number> {
  let written = 0;
  let stop: (() => void) | undefined;
  const onAbort = () => stop?.();
  signal?.addEventListener("abort", onAbort);
  const iterator = content[Symbol.asyncIterator]();
  try {
    for (;;) {
      if (signal?.aborted) throw interrupted();
      // Not Promise.race with one promise for all: that would keep every chunk until the end.
      const { done, value } = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        stop = () => reject(interrupted());
        iterator.next().then(resolve, reject);
      });
      if (done) return written;
      write(value);
      written += value.length;
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function interrupted(): AuroraError {
  return new AuroraError("interrupted", "stopped while writing");
}

function untilAborted({ events, stop }: Watch, signal: AbortSignal): AsyncGenerator<WatchEvent> {
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  return (async function* () {
    try {
      for await (const event of events) {
        if (signal.aborted) return;
        yield event;
      }
    } finally {
      signal.removeEventListener("abort", stop);
    }
  })();
}
