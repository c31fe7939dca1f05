import { type PeerCredentials, peerCredentials } from "../../system/peer-credentials.ts";
import { atMost } from "../at-most.ts";
import { type HttpLimits, LAST_ANSWERS_MS, SWEEP_MS } from "./limits.ts";
import { type HttpRequest, RequestError, RequestParser } from "./request-parser.ts";

/** A stream is written until the client goes or falls behind: then `signal` aborts. */
export type StreamSink = { write: (text: string) => void; signal: AbortSignal };

export type HttpResponse = {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  /** Instead of a body: what follows the headers, until it returns. The connection then closes. */
  stream?: (sink: StreamSink) => Promise<void>;
};

export type HttpHandler = (request: HttpRequest, peer: PeerCredentials) => Promise<HttpResponse>;

export type HttpServerOptions = {
  /** The path of the Unix socket; nothing may be there. */
  path: string;
  limits: HttpLimits;
  /** Who may ask at all. */
  isAllowed: (peer: PeerCredentials) => boolean;
  /** What it throws is a bug: the client sees status 500. */
  handle: HttpHandler;
  /** The body of an answer to what cannot be handled. */
  errorBody: (status: number, message: string) => string;
  onBug: (thrown: unknown) => void;
};

type State =
  /** Between two requests. */
  | "idle"
  /** A request is arriving. */
  | "reading"
  | "handling"
  /** The answer is not taken yet. */
  | "writing"
  | "streaming"
  | "closed";

type Connection = {
  parser: RequestParser;
  peer: PeerCredentials | undefined;
  state: State;
  /** When this state began; for a stream, when the client last took something. */
  sinceMs: number;
  /** What the kernel has not taken yet. */
  pending: Buffer[];
  pendingBytes: number;
  closesAfterWrite: boolean;
  /** What it is told as soon as it asks: one that is sent away before it has said a word would not hear why. */
  refusal: RequestError | undefined;
  abort: AbortController;
};
type Socket = Bun.Socket<Connection>;

/**
 * HTTP/1.1 on a Unix socket that only its owner may connect to (mode 0600). Written on bare sockets, since the credentials
 * of whoever connects are asked for by descriptor, and so that no client can take more than the limits give to one.
 */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #listener: Bun.UnixSocketListener<Connection>;
  readonly #sockets = new Set<Socket>();
  #sweep: ReturnType<typeof setInterval> | undefined;
  #requests = 0;
  /** Resolves when the last client has gone. */
  #emptied = Promise.withResolvers<void>();

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const before = process.umask(0o177);
    try {
      this.#listener = Bun.listen<Connection>({
        unix: options.path,
        // Who has said all may still hear the answer.
        allowHalfOpen: true,
        socket: {
          open: (socket) => this.#open(socket),
          data: (socket, chunk) => this.#data(socket, chunk),
          drain: (socket) => this.#flush(socket),
          end: (socket) => this.#said(socket),
          close: (socket) => this.#closed(socket),
          error: (socket) => this.#close(socket),
        },
      });
    } finally {
      process.umask(before);
    }
  }

  /** Clients connected now, streams among them, and requests answered so far. */
  get counts(): { clients: number; streams: number; requests: number } {
    return { clients: this.#sockets.size, streams: this.#streams, requests: this.#requests };
  }

  /**
   * Stops listening and removes the socket. Who is being answered has a moment to take the answer; all others go at once.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.stop();
    for (const socket of this.#sockets) {
      if (socket.data.state !== "handling" && socket.data.state !== "writing") this.#close(socket);
      else socket.data.closesAfterWrite = true;
    }
    if (this.#sockets.size > 0) await atMost(LAST_ANSWERS_MS, this.#emptied.promise);
    for (const socket of this.#sockets) this.#close(socket);
    clearInterval(this.#sweep);
  }

  get #streams(): number {
    return [...this.#sockets].filter(({ data }) => data.state === "streaming").length;
  }

  #open(socket: Socket): void {
    socket.data = {
      parser: new RequestParser(this.#options.limits),
      peer: peerCredentials((socket as unknown as { fd: number }).fd),
      state: "reading",
      sinceMs: performance.now(),
      pending: [],
      pendingBytes: 0,
      closesAfterWrite: false,
      refusal: undefined,
      abort: new AbortController(),
    };
    this.#sockets.add(socket);
    this.#sweep ??= setInterval(() => this.#letGo(), SWEEP_MS);
    const { peer } = socket.data;
    if (!peer || !this.#options.isAllowed(peer))
      socket.data.refusal = new RequestError(403, "this daemon answers only its own user and root");
    if (this.#sockets.size > this.#options.limits.clients) this.#evict(socket);
  }

  /** Makes room: whoever has been silent longest goes, and never somebody who is being answered, where there is another. */
  #evict(newcomer: Socket): void {
    const waiting = [...this.#sockets].filter(
      (socket) => socket !== newcomer && (socket.data.state === "idle" || socket.data.state === "reading"),
    );
    const oldest = waiting.reduce<Socket | undefined>(
      (best, socket) => (best === undefined || socket.data.sinceMs < best.data.sinceMs ? socket : best),
      undefined,
    );
    if (oldest) this.#close(oldest);
    else newcomer.data.refusal = new RequestError(503, "too many clients are being answered");
  }

  #data(socket: Socket, chunk: Uint8Array): void {
    const { data } = socket;
    if (data.state === "closed" || data.closesAfterWrite || data.state === "streaming") return;
    if (data.refusal) return this.#refuse(socket, data.refusal.status, data.refusal.message);
    data.parser.push(chunk);
    if (data.state === "idle") this.#enter(socket, "reading");
    if (data.state === "reading") this.#nextRequest(socket);
    // Requests that come while one is handled wait in the kernel, not in this process.
    else socket.pause();
  }

  /** The client sends no more: what it has asked is answered, then it goes. */
  #said(socket: Socket): void {
    const { data } = socket;
    data.closesAfterWrite = true;
    if (data.state !== "handling" && data.state !== "writing") this.#close(socket);
  }

  #nextRequest(socket: Socket): void {
    const { data } = socket;
    let request: HttpRequest | undefined;
    try {
      request = data.parser.next();
    } catch (thrown) {
      if (!(thrown instanceof RequestError)) throw thrown;
      return this.#refuse(socket, thrown.status, thrown.message);
    }
    if (!request) return;
    this.#enter(socket, "handling");
    void this.#answer(socket, request);
  }

  async #answer(socket: Socket, request: HttpRequest): Promise<void> {
    const { data } = socket;
    this.#requests++;
    let response: HttpResponse;
    try {
      response = await this.#options.handle(request, data.peer as PeerCredentials);
    } catch (thrown) {
      this.#options.onBug(thrown);
      response = {
        status: 500,
        headers: { "Content-Type": "application/json" },
        body: this.#options.errorBody(500, "this is a bug in Aurora; the daemon's log says more"),
      };
    }
    if (data.state === "closed") return;
    if (response.stream && request.method !== "HEAD")
      return await this.#stream(socket, response, response.stream);
    const body = request.method === "HEAD" ? "" : (response.body ?? "");
    if (!request.keepAlive || response.stream) data.closesAfterWrite = true;
    this.#enter(socket, "writing");
    const length = response.stream ? undefined : Buffer.byteLength(response.body ?? "");
    this.#write(socket, `${headOf(response, { length, closes: data.closesAfterWrite })}${body}`);
  }

  async #stream(
    socket: Socket,
    response: HttpResponse,
    stream: NonNullable<HttpResponse["stream"]>,
  ): Promise<void> {
    const { data } = socket;
    if (this.#streams >= this.#options.limits.streams)
      return this.#refuse(socket, 503, "too many clients follow a stream");
    this.#enter(socket, "streaming");
    this.#write(socket, headOf(response, { closes: true }));
    const { signal } = data.abort;
    try {
      await stream({ write: (text) => this.#write(socket, text), signal });
    } catch (thrown) {
      if (!signal.aborted) this.#options.onBug(thrown);
    }
    if (data.state !== "streaming") return;
    data.closesAfterWrite = true;
    this.#enter(socket, "writing");
    this.#flush(socket);
  }

  #refuse(socket: Socket, status: number, message: string): void {
    socket.data.closesAfterWrite = true;
    this.#enter(socket, "writing");
    const body = this.#options.errorBody(status, message);
    const response = { status, headers: { "Content-Type": "application/json" }, body };
    this.#write(socket, `${headOf(response, { length: Buffer.byteLength(body), closes: true })}${body}`);
  }

  #write(socket: Socket, text: string): void {
    const { data } = socket;
    if (data.state === "closed") return;
    const bytes = Buffer.from(text);
    data.pending.push(bytes);
    data.pendingBytes += bytes.length;
    this.#flush(socket);
    if (data.state === "streaming" && data.pendingBytes > this.#options.limits.streamBytes)
      this.#close(socket);
  }

  #flush(socket: Socket): void {
    const { data } = socket;
    if (data.state === "closed") return;
    while (data.pending.length > 0) {
      const [first] = data.pending as [Buffer];
      const written = socket.write(first);
      if (written < 0) return this.#close(socket);
      data.pendingBytes -= written;
      if (written > 0 && data.state === "streaming") data.sinceMs = performance.now();
      if (written < first.length) {
        data.pending[0] = first.subarray(written);
        return;
      }
      data.pending.shift();
    }
    if (data.state === "streaming") data.sinceMs = performance.now();
    if (data.state !== "writing") return;
    if (data.closesAfterWrite) return this.#end(socket);
    const isMore = data.parser.isPartial;
    this.#enter(socket, isMore ? "reading" : "idle");
    socket.resume();
    if (isMore) this.#nextRequest(socket);
  }

  /** Closes what is idle, slow or does not take its answer. */
  #letGo(): void {
    const { requestMs, idleMs, writeMs } = this.#options.limits;
    const now = performance.now();
    const allowed: Record<State, number> = {
      idle: idleMs,
      reading: requestMs,
      handling: Infinity,
      writing: writeMs,
      streaming: Infinity,
      closed: 0,
    };
    for (const socket of this.#sockets) {
      const { state, sinceMs, pendingBytes, parser } = socket.data;
      const limit = state === "streaming" && pendingBytes > 0 ? writeMs : allowed[state];
      if (now - sinceMs <= limit) continue;
      if (state === "reading" && parser.isPartial) this.#refuse(socket, 408, "the request took too long");
      else this.#close(socket);
    }
  }

  #enter(socket: Socket, state: State): void {
    socket.data.state = state;
    socket.data.sinceMs = performance.now();
  }

  /** Lets the client have what was written, and takes no more from it. */
  #end(socket: Socket): void {
    if (socket.data.state === "closed") return;
    socket.end();
    this.#closed(socket);
  }

  #close(socket: Socket): void {
    if (socket.data.state === "closed") return;
    socket.terminate();
    this.#closed(socket);
  }

  #closed(socket: Socket): void {
    if (socket.data.state === "closed") return;
    socket.data.state = "closed";
    socket.data.pending = [];
    socket.data.abort.abort();
    this.#sockets.delete(socket);
    if (this.#sockets.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
    this.#emptied.resolve();
    this.#emptied = Promise.withResolvers();
  }
}

const statusTexts: Record<number, string> = {
  200: "OK",
  202: "Accepted",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  422: "Unprocessable Content",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

function headOf(
  { status, headers }: HttpResponse,
  { length, closes }: { length?: number | undefined; closes: boolean },
) {
  const lines = Object.entries({
    ...headers,
    ...(length === undefined ? {} : { "Content-Length": String(length) }),
    ...(closes ? { Connection: "close" } : {}),
    "Cache-Control": "no-store",
  }).map(([name, value]) => `${name}: ${value}`);
  return `HTTP/1.1 ${status} ${statusTexts[status] ?? "Status"}\r\n${lines.join("\r\n")}\r\n\r\n`;
}
