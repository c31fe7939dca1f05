/** What one client may take of the daemon. Every number is a promise that a test keeps. */
export type HttpLimits = {
  /** A request line and its headers may have so many bytes. */
  headerBytes: number;
  /** A body may have so many bytes. */
  bodyBytes: number;
  /** So long a request may take to arrive, from its first byte, or from the connection on. */
  requestMs: number;
  /** A connection may lie idle between two requests for so long. */
  idleMs: number;
  /** So long a client may leave an answer untaken. */
  writeMs: number;
  /** So much of a stream may wait for a client; one that falls further behind is let go, and resumes by Last-Event-ID. */
  streamBytes: number;
  /** Beyond so many clients, the one that has been silent longest goes. */
  clients: number;
  /** So many of them may follow a stream. */
  streams: number;
};

/** The descriptors of all clients together stay well below 1024, the usual limit of a process. */
export const HTTP_LIMITS: HttpLimits = {
  headerBytes: 16 * 1024,
  bodyBytes: 64 * 1024,
  requestMs: 10_000,
  idleMs: 60_000,
  writeMs: 30_000,
  streamBytes: 1024 * 1024,
  clients: 256,
  streams: 64,
};

/** How often the times above are looked at while there are clients, in milliseconds. */
export const SWEEP_MS = 500;

/** So long a server that closes waits for the answers that are on their way, in milliseconds. */
export const LAST_ANSWERS_MS = 1000;
