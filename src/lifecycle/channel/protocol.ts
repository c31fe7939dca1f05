/*
 * How a confined script reaches Aurora: a directory in its scratch. A call is three files in it, made by the caller, under an id
 * of its own choice:
 *
 *   <id>.request   what it wants, as JSON, at most MAX_REQUEST_BYTES
 *   <id>.reply     a FIFO, which the caller has open for reading before it asks
 *   requests       the FIFO of the channel: "\n<id>\n" is written to it, which is short enough to never mix with another's
 *
 * The answer is one line of JSON in the caller's FIFO. The newline before the id ends whatever half a line somebody has left.
 */

export const REQUESTS_NAME = "requests";
export const MAX_REQUEST_BYTES = 1024 ** 2;
export const requestName = (id: string) => `${id}.request`;
export const replyName = (id: string) => `${id}.reply`;

const ID = /^[0-9a-f]{32}$/;
const MAX_NAME_LENGTH = 64;

/** Where the channel of a process with this scratch is. */
export function channelDirectory(tmpDirectory: string): string {
  return `${tmpDirectory}/channel`;
}

/** What is wanted. The pack is not in it: the channel says which one that is. */
export type ChannelRequest = { operation: string; params: Record<string, unknown> };

export type ChannelReply =
  | { ok: true; result: unknown }
  | { ok: false; error: { code: string; message: string; hint: string | null } };

export function isRequestId(text: string): boolean {
  return ID.test(text);
}

/** Reads a request that may be anything at all: undefined for what is none. */
export function parseRequest(bytes: Uint8Array): ChannelRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { operation, params } = value;
  if (typeof operation !== "string" || operation.length > MAX_NAME_LENGTH || !isRecord(params))
    return undefined;
  return { operation, params };
}

/** Reads an answer that comes from whoever serves the channel: undefined for what is none. */
export function parseReply(line: string): ChannelReply | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  if (value["ok"] === true) return { ok: true, result: value["result"] };
  const { error } = value;
  if (!isRecord(error)) return undefined;
  const { code, message, hint } = error;
  if (typeof code !== "string" || typeof message !== "string") return undefined;
  return { ok: false, error: { code, message, hint: typeof hint === "string" ? hint : null } };
}

/** A JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
