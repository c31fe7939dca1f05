import { closeSync, constants, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";

import { AuroraError, type ErrorCode, errorCodes, systemReason } from "../../errors.ts";
import { makeFifo } from "../../system/fifo.ts";
import { poll, POLLERR, POLLHUP, POLLIN } from "../../system/poll.ts";
import { randomHex } from "../../system/random-id.ts";
import {
  type ChannelReply,
  type ChannelRequest,
  MAX_REQUEST_BYTES,
  parseReply,
  replyName,
  requestName,
  REQUESTS_NAME,
} from "./protocol.ts";

const O_CLOEXEC = 0o2_000_000;
const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const ID_BYTES = 16;
const BLOCK_BYTES = 65_536;
/** How often it is looked for the answer, in milliseconds: at first, and after a while. */
const FIRST_POLL_MS = 1;
const LAST_POLL_MS = 20;

/** How a call is made. */
type CallOptions = {
  /** How long to wait for the answer. */
  timeoutMs: number;
  /** Whether it changes anything: then it is not asked for again where it may have been done. */
  isChange: boolean;
};

/** Whoever was asked has ended: before it had taken the request, or somewhere between that and its answer. */
type Lost = "unheard" | "begun";

/**
 * Asks whoever runs this confined script to do something for its pack, and waits for the answer. Where that ends meanwhile,
 * whoever serves the channel next is asked, unless the change that is wanted may have been made.
 *
 * @param directory `AURORA_CHANNEL`
 * @throws {AuroraError} what the other side answers; `not-supported` where nobody serves the channel; `unknown-outcome`; `timed-out`
 */
export async function callChannel(
  directory: string,
  request: ChannelRequest,
  { timeoutMs, isChange }: CallOptions,
): Promise<unknown> {
  const body = Buffer.from(JSON.stringify(request));
  if (body.length > MAX_REQUEST_BYTES)
    throw new AuroraError("too-large", `cannot ask for ${request.operation}: the request is too large`);
  const deadline = performance.now() + timeoutMs;
  try {
    for (;;) {
      const answer = await ask(directory, request, body, deadline);
      if (typeof answer !== "string") return resultOf(parseReply(answer.line));
      if (answer === "begun" && isChange) throw unknownOutcome(request);
    }
  } catch (thrown) {
    if (thrown instanceof AuroraError) throw thrown;
    const reason = systemReason(thrown);
    if (reason === undefined) throw thrown;
    throw new AuroraError("io", `cannot ask for ${request.operation}: ${reason}`, { cause: thrown });
  }
}

async function ask(
  directory: string,
  request: ChannelRequest,
  body: Uint8Array,
  deadline: number,
): Promise<{ line: string } | Lost> {
  const id = randomHex(ID_BYTES);
  const names = [requestName(id), replyName(id)].map((name) => `${directory}/${name}`) as [string, string];
  let reply: number | undefined;
  let requests: number | undefined;
  try {
    closeSync(openRequests(directory, request));
    makeFifo(names[1], 0o600);
    reply = openSync(names[1], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    writeFileSync(names[0], body, { mode: 0o600, flag: "wx" });
    requests = await send(directory, request, `\n${id}\n`, deadline);
    return await awaitAnswer(request, requests, reply, deadline);
  } finally {
    for (const descriptor of [reply, requests]) if (descriptor !== undefined) closeSync(descriptor);
    for (const name of names) rmSync(name, { force: true });
  }
}

function resultOf(reply: ChannelReply | undefined): unknown {
  if (reply === undefined)
    throw new AuroraError("failed", "cannot read the answer: it is not in the expected form");
  if (reply.ok) return reply.result;
  const { code, message, hint } = reply.error;
  const known: ErrorCode = code in errorCodes ? (code as ErrorCode) : "failed";
  throw new AuroraError(known, message, hint === null ? {} : { hint });
}

/**
 * A full FIFO means that many others ask at the moment.
 *
 * @returns the end that was written to, which the caller closes
 */
async function send(
  directory: string,
  request: ChannelRequest,
  line: string,
  deadline: number,
): Promise<number> {
  for (;;) {
    const requests = openRequests(directory, request);
    try {
      writeSync(requests, line);
      return requests;
    } catch (thrown) {
      closeSync(requests);
      const { code } = thrown as NodeJS.ErrnoException;
      // Nobody reads it any more; perhaps somebody reads another one.
      if (code === "EPIPE") continue;
      if (code !== "EAGAIN") throw thrown;
    }
    if (performance.now() > deadline) throw noAnswer(request);
    await Bun.sleep(LAST_POLL_MS);
  }
}

/** Throws where nobody has the other end open: the kernel says so at once. */
function openRequests(directory: string, { operation }: ChannelRequest): number {
  try {
    return openSync(`${directory}/${REQUESTS_NAME}`, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== "ENXIO" && code !== "ENOENT") throw thrown;
    throw new AuroraError(
      "not-supported",
      `cannot ask for ${operation}: the command that started this process has ended, and no daemon serves it`,
      {
        hint: "call it from a lifecycle script while that runs; aurora vfs and aurora logs work at any time",
      },
    );
  }
}

/**
 * Whoever takes the request opens the answer, and has it open until the answer is written. The kernel says whether the one that was
 * asked still reads requests, and whether the answer was ever opened, so that no moment is too short to be seen.
 */
async function awaitAnswer(
  request: ChannelRequest,
  requests: number,
  reply: number,
  deadline: number,
): Promise<{ line: string } | Lost> {
  const chunks: Buffer[] = [];
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_POLL_MS)) {
    // Before the answer is looked at: what has ended opens it no more.
    const hasEnded = (poll(requests, 0, 0) & POLLERR) !== 0;
    let length = readSome(reply, block);
    for (; length !== undefined && length > 0; length = readSome(reply, block)) {
      chunks.push(Buffer.from(block.subarray(0, length)));
      if (block[length - 1] === "\n".charCodeAt(0)) return { line: Buffer.concat(chunks).toString() };
    }
    if (poll(reply, POLLIN, 0) === POLLHUP) return "begun";
    if (hasEnded && length === 0) return "unheard";
    if (performance.now() > deadline) throw noAnswer(request);
    await Bun.sleep(pauseMs);
  }
}

/** How many bytes were read; 0 where nobody has the other end open, and undefined where somebody has. */
function readSome(descriptor: number, block: Buffer): number | undefined {
  try {
    return readSync(descriptor, block);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
    throw thrown;
  }
}

function noAnswer({ operation }: ChannelRequest): AuroraError {
  return new AuroraError("timed-out", `cannot ask for ${operation}: there was no answer in time`);
}

function unknownOutcome({ operation }: ChannelRequest): AuroraError {
  return new AuroraError(
    "unknown-outcome",
    `cannot say whether ${operation} was done: whoever was asked has ended without an answer`,
    { hint: "look whether it was, and ask again where it was not" },
  );
}
