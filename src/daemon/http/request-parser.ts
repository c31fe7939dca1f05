import { type HttpLimits } from "./limits.ts";

export type HttpRequest = {
  method: string;
  /** Decoded, without the query. */
  path: string;
  query: URLSearchParams;
  /** Names in lower case. */
  headers: ReadonlyMap<string, string>;
  body: Uint8Array;
  /** Whether the client wants to ask again on this connection. */
  keepAlive: boolean;
};

/** What is wrong with a request: the connection ends with this status. */
export class RequestError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const REQUEST_LINE = /^([A-Z]{1,16}) (\/[\x21-\x7e]*) HTTP\/1\.([01])$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*$/;
/** A header of which two would contradict each other. */
const single = new Set(["content-length", "host", "last-event-id"]);
const HEAD_END = "\r\n\r\n";

type Head = Omit<HttpRequest, "body"> & { bodyBytes: number };

/**
 * Reads HTTP/1.1 requests (RFC 9112) out of the bytes of one connection: strict, and with no more memory than the limits
 * allow. Bodies have a Content-Length; chunked ones are refused, so that there is one way to tell where a request ends.
 */
export class RequestParser {
  readonly #limits: Pick<HttpLimits, "headerBytes" | "bodyBytes">;
  #buffer: Buffer = Buffer.alloc(0);
  #searched = 0;
  #head: Head | undefined;

  constructor(limits: Pick<HttpLimits, "headerBytes" | "bodyBytes">) {
    this.#limits = limits;
  }

  /** Whether a request has begun to arrive and is not complete. */
  get isPartial(): boolean {
    return this.#head !== undefined || this.#buffer.length > 0;
  }

  push(chunk: Uint8Array): void {
    this.#buffer = this.#buffer.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#buffer, chunk]);
  }

  /**
   * The next complete request, or undefined where more bytes are needed.
   *
   * @throws {RequestError} where the bytes are no request, or too many
   */
  next(): HttpRequest | undefined {
    this.#head ??= this.#takeHead();
    const head = this.#head;
    if (!head || this.#buffer.length < head.bodyBytes) return undefined;
    const { bodyBytes, ...request } = head;
    const body = Uint8Array.from(this.#buffer.subarray(0, bodyBytes));
    this.#drop(bodyBytes);
    this.#head = undefined;
    return { ...request, body };
  }

  #takeHead(): Head | undefined {
    const end = this.#buffer.indexOf(HEAD_END, Math.max(0, this.#searched - HEAD_END.length), "latin1");
    if (end > this.#limits.headerBytes || (end === -1 && this.#buffer.length > this.#limits.headerBytes))
      throw new RequestError(431, `the headers are larger than ${this.#limits.headerBytes} bytes`);
    if (end === -1) {
      this.#searched = this.#buffer.length;
      return undefined;
    }
    const head = parseHead(this.#buffer.toString("latin1", 0, end));
    if (head.bodyBytes > this.#limits.bodyBytes)
      throw new RequestError(413, `the body is larger than ${this.#limits.bodyBytes} bytes`);
    this.#drop(end + HEAD_END.length);
    return head;
  }

  #drop(length: number): void {
    this.#buffer = this.#buffer.subarray(length);
    this.#searched = 0;
  }
}

function parseHead(text: string): Head {
  const [first = "", ...lines] = text.split("\r\n");
  const request = REQUEST_LINE.exec(first);
  if (!request) throw new RequestError(400, "the request line is not one of HTTP/1.1");
  const [, method = "", target = "", minor] = request;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const header = HEADER.exec(line);
    if (!header) throw new RequestError(400, "a header line is malformed");
    const [, name = "", value = ""] = header;
    const key = name.toLowerCase();
    const before = headers.get(key);
    if (before !== undefined && single.has(key))
      throw new RequestError(400, `there are two headers "${key}"`);
    headers.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  if (minor === "1" && !headers.has("host")) throw new RequestError(400, 'the header "host" is missing');
  if (headers.has("transfer-encoding"))
    throw new RequestError(501, "a body needs a Content-Length; transfer encodings are not understood");
  const [path = "", query = ""] = splitOnce(target, "?");
  return {
    method,
    path: decodePath(path),
    query: new URLSearchParams(query),
    headers,
    bodyBytes: bodyBytesOf(headers.get("content-length")),
    keepAlive: wantsToStay(minor === "1", headers.get("connection") ?? ""),
  };
}

function bodyBytesOf(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d{1,15}$/.test(text)) throw new RequestError(400, "the Content-Length is not a number");
  return Number(text);
}

function wantsToStay(isDefault: boolean, connection: string): boolean {
  const words = connection
    .toLowerCase()
    .split(",")
    .map((word) => word.trim());
  return isDefault ? !words.includes("close") : words.includes("keep-alive");
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new RequestError(400, "the path is not well encoded");
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const place = text.indexOf(separator);
  return place === -1 ? [text, ""] : [text.slice(0, place), text.slice(place + 1)];
}
