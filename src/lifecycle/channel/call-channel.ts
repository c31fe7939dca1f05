import { closeSync, constants, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";

import { AuroraError, type ErrorCode, errorCodes, systemReason } from "../../errors.ts";
import { makeFifo } from "../../system/fifo.ts";
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
const { O_NONBLOCK, O_RDWR, O_WRONLY } = constants;
const ID_BYTES = 16;
const BLOCK_BYTES = 65_536;
/** How often it is looked for the answer, in milliseconds: at first, and after a while. */
const FIRST_POLL_MS = 1;
const LAST_POLL_MS = 20;

/**
 * Asks whoever runs this confined script to do something for its pack, and waits for the answer.
 *
 * @param directory `AURORA_CHANNEL`
 * @param timeoutMs how long to wait for the answer
 * @throws {AuroraError} what the other side answers; `not-supported` where nobody serves the channel; `timed-out`
 */
export async function callChannel(
  directory: string,
  request: ChannelRequest,
  timeoutMs: number,
): Promise<unknown> {
  const body = Buffer.from(JSON.stringify(request));
  if (body.length > MAX_REQUEST_BYTES)
    throw new AuroraError("too-large", `cannot ask for ${request.operation}: the request is too large`);
  const id = randomHex(ID_BYTES);
  const names = [requestName(id), replyName(id)].map((name) => `${directory}/${name}`) as [string, string];
  let reply: number | undefined;
  try {
    closeSync(openRequests(directory, request));
    makeFifo(names[1], 0o600);
    // For writing too: then the end of a writer is no end, and the opening does not wait.
    reply = openSync(names[1], O_RDWR | O_NONBLOCK | O_CLOEXEC);
    writeFileSync(names[0], body, { mode: 0o600, flag: "wx" });
    const deadline = performance.now() + timeoutMs;
    await send(directory, request, `\n${id}\n`, deadline);
    return resultOf(parseReply(await readLine(directory, request, reply, deadline)));
  } catch (thrown) {
    if (thrown instanceof AuroraError) throw thrown;
    const reason = systemReason(thrown);
    if (reason === undefined) throw thrown;
    throw new AuroraError("io", `cannot ask for ${request.operation}: ${reason}`, { cause: thrown });
  } finally {
    if (reply !== undefined) closeSync(reply);
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

/** A full FIFO means that many others ask at the moment. */
async function send(
  directory: string,
  request: ChannelRequest,
  line: string,
  deadline: number,
): Promise<void> {
  for (;;) {
    const requests = openRequests(directory, request);
    try {
      writeSync(requests, line);
      return;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "EAGAIN") throw thrown;
    } finally {
      closeSync(requests);
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

async function readLine(
  directory: string,
  request: ChannelRequest,
  reply: number,
  deadline: number,
): Promise<string> {
  const chunks: Buffer[] = [];
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_POLL_MS)) {
    for (let length = readSome(reply, block); length > 0; length = readSome(reply, block)) {
      chunks.push(Buffer.from(block.subarray(0, length)));
      if (block[length - 1] === "\n".charCodeAt(0)) return Buffer.concat(chunks).toString();
    }
    if (performance.now() > deadline) throw noAnswer(request);
    // Whoever served it may have ended meanwhile.
    closeSync(openRequests(directory, request));
    await Bun.sleep(pauseMs);
  }
}

function readSome(descriptor: number, block: Buffer): number {
  try {
    return readSync(descriptor, block);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EAGAIN") return 0;
    throw thrown;
  }
}

function noAnswer({ operation }: ChannelRequest): AuroraError {
  return new AuroraError("timed-out", `cannot ask for ${operation}: there was no answer in time`);
}
