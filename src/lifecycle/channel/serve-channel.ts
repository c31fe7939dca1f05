import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lchownSync,
  openSync,
  readSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";

import { makeDirectory } from "../../system/durable.ts";
import { type FifoReader, fifoWatch } from "../../system/fifo-watch.ts";
import { makeFifo } from "../../system/fifo.ts";
import {
  type ChannelReply,
  type ChannelRequest,
  isRequestId,
  MAX_REQUEST_BYTES,
  parseRequest,
  replyName,
  requestName,
  REQUESTS_NAME,
} from "./protocol.ts";

const O_CLOEXEC = 0o2_000_000;
const O_PATH = 0o10_000_000;
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;
/** A caller that does not read its answer is given up after this, in milliseconds. */
const MAX_REPLY_MS = 2_000;
const REPLY_POLL_MS = 2;
/** Whoever sends nothing but rubbish waits this long between two readings of it. */
const RUBBISH_PAUSE_MS = 50;
const MAX_RUBBISH_LINES = 16;
const LINE_LENGTH = 32;
/** What a FIFO holds at most. */
const BUFFER_BYTES = 65_536;
/** Whoever sends so much at once is not heard so often either. */
const MUCH_BYTES = 60_000;
/** More than that would let a pack keep whoever serves it busy with itself. */
const MAX_AT_ONCE = 16;

export type Answers = {
  /** What it cannot do is the caller's answer too: it never throws. */
  answer: (request: ChannelRequest, signal: AbortSignal, asker: string) => Promise<ChannelReply>;
};

export type ServeOptions = {
  /** Where the channel is; it is made where it does not exist. The pack may write there. */
  directory: string;
  /** Does what is asked. One may be for many channels. */
  answers: Answers;
  /** Whose channel it is, for `answers`. */
  asker?: string;
  /** The user and group who may call; the caller's own by default. */
  owner?: number;
};

/**
 * Serves a channel until it is disposed: whoever runs a pack's script does this meanwhile. Few requests are answered at once,
 * the others wait.
 *
 * The directory belongs to the pack, so everything in it may be a trap: names are opened from the directory's descriptor,
 * without following a link and without waiting, and then must be what they are taken for.
 *
 * @throws what node:fs throws, where the channel cannot be made
 */
export function serveChannel({ directory, answers, asker = "", owner }: ServeOptions): AsyncDisposable {
  const place = openPlace(directory);
  let requests: number;
  try {
    if (owner !== undefined) lchownSync(`/proc/self/fd/${place}/.`, owner, owner);
    requests = openRequests(place, owner);
  } catch (thrown) {
    closeSync(place);
    throw thrown;
  }
  return new Channel(place, requests, answers, asker);
}

/** A pack that has put something else in the place of the directory loses it. */
function openPlace(directory: string): number {
  for (let isSecond = false; ; isSecond = true)
    try {
      makeDirectory(directory, 0o700);
      return openSync(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    } catch (thrown) {
      const code = codeOf(thrown) ?? "";
      if (isSecond || !["ENOTDIR", "ELOOP", "EEXIST"].includes(code)) throw thrown;
      unlinkSync(directory);
    }
}

/**
 * Each server makes one of its own, whatever is there: that nobody reads the one that a caller has written to tells the caller
 * that this server has ended, even where the next one is there already. Open for reading and writing, so that it never comes to an end.
 */
function openRequests(place: number, owner: number | undefined): number {
  const path = `/proc/self/fd/${place}/${REQUESTS_NAME}`;
  rmSync(path, { force: true });
  makeFifo(path, 0o600);
  const descriptor = openIf(path, O_RDWR, (stat) => stat.isFIFO());
  // The pack has put something else in its place at this very moment.
  if (descriptor === undefined) throw new Error(`there is no FIFO at ${path}`);
  if (owner !== undefined) fchownSync(descriptor, owner, owner);
  return descriptor;
}

/** What is written to the FIFOs of all channels of this process is read into this. */
let buffer: Buffer | undefined;

/** Nothing but two descriptors and a watch, for as long as nobody asks: a daemon has one for each service. */
class Channel implements AsyncDisposable, FifoReader {
  readonly descriptor: number;
  readonly #place: number;
  readonly #answers: Answers;
  readonly #asker: string;
  /** Made with the first request. */
  #answering: Set<Promise<void>> | undefined;
  #stopping: AbortController | undefined;
  #serving: Promise<void> | undefined;
  #isReading = false;
  #isOver = false;
  #rest = "";

  constructor(place: number, requests: number, answers: Answers, asker: string) {
    this.#place = place;
    this.descriptor = requests;
    this.#answers = answers;
    this.#asker = asker;
    fifoWatch.add();
    // What somebody asked before.
    this.written();
  }

  written(): void {
    if (this.#isReading || this.#isOver) return;
    // Before it is read, so that no write is missed.
    fifoWatch.arm(this);
    const text = this.#read();
    if (text === "") return;
    this.#isReading = true;
    this.#serving = this.#serve(text);
  }

  async #serve(first: string): Promise<void> {
    for (let text = first; text !== "" && !this.#isOver; text = this.#read()) {
      const lines = (this.#rest + text).split("\n");
      // A line that is too long is no id, whatever follows.
      this.#rest = (lines.pop() ?? "").slice(0, LINE_LENGTH + 1);
      const rubbish = await this.#answerAll(lines);
      if (rubbish > MAX_RUBBISH_LINES || text.length > MUCH_BYTES) await Bun.sleep(RUBBISH_PAUSE_MS);
    }
    this.#isReading = false;
    // The watch may have told of a write meanwhile, and so be gone.
    this.written();
  }

  /** @returns how many lines were rubbish */
  async #answerAll(lines: readonly string[]): Promise<number> {
    const answering = (this.#answering ??= new Set());
    let rubbish = 0;
    for (const line of lines) {
      if (this.#isOver) break;
      if (isRequestId(line)) {
        while (answering.size >= MAX_AT_ONCE && !this.#isOver) await Promise.race(answering);
        const { signal } = (this.#stopping ??= new AbortController());
        const one = this.#answerOne(line, signal).finally(() => answering.delete(one));
        answering.add(one);
      } else if (line !== "") rubbish++;
    }
    return rubbish;
  }

  async #answerOne(id: string, signal: AbortSignal): Promise<void> {
    const place = this.#place;
    const reply = openIf(`/proc/self/fd/${place}/${replyName(id)}`, O_WRONLY, (stat) => stat.isFIFO());
    // Nobody waits for an answer: then nothing is done either.
    if (reply === undefined) return;
    try {
      const request = readRequest(place, id);
      const result: ChannelReply =
        request === undefined
          ? { ok: false, error: { code: "usage", message: "cannot read the request", hint: null } }
          : await this.#answers.answer(request, signal, this.#asker);
      await writeReply(reply, Buffer.from(`${JSON.stringify(result)}\n`), signal);
    } finally {
      closeSync(reply);
    }
  }

  /** What is there; "" for nothing. */
  #read(): string {
    buffer ??= Buffer.allocUnsafeSlow(BUFFER_BYTES);
    try {
      return buffer.toString("latin1", 0, readSync(this.descriptor, buffer));
    } catch {
      return ""; // EAGAIN
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    fifoWatch.remove(this);
    this.#stopping?.abort();
    await this.#serving;
    await Promise.all(this.#answering ?? []);
    closeSync(this.descriptor);
    closeSync(this.#place);
  }
}

function readRequest(place: number, id: string): ChannelRequest | undefined {
  const descriptor = openIf(
    `/proc/self/fd/${place}/${requestName(id)}`,
    O_RDONLY,
    // With a second name it may be a file that this pack may not read.
    (stat) => stat.isFile() && stat.nlink === 1 && stat.size <= MAX_REQUEST_BYTES,
  );
  if (descriptor === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(MAX_REQUEST_BYTES);
    let length = 0;
    for (let count = -1; count !== 0 && length < bytes.length; length += count)
      count = readSync(descriptor, bytes, length, bytes.length - length, null);
    return parseRequest(bytes.subarray(0, length));
  } catch {
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

async function writeReply(descriptor: number, bytes: Buffer, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + MAX_REPLY_MS;
  for (let written = 0; written < bytes.length;)
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (thrown) {
      // EPIPE: the caller has gone away.
      if (codeOf(thrown) !== "EAGAIN" || signal.aborted || performance.now() > deadline) return;
      await Bun.sleep(REPLY_POLL_MS);
    }
}

/** Opens what is there without waiting for it, and closes it again where it is not what is expected. */
function openIf(
  path: string,
  flags: number,
  isExpected: (stat: ReturnType<typeof fstatSync>) => boolean,
): number | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  } catch {
    return undefined;
  }
  if (isExpected(fstatSync(descriptor))) return descriptor;
  closeSync(descriptor);
  return undefined;
}

function codeOf(thrown: unknown): string | undefined {
  return (thrown as NodeJS.ErrnoException).code;
}
