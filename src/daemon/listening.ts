import { existsSync, lstatSync, rmSync, watch } from "node:fs";

import { AuroraError } from "../errors.ts";
import { type HomePaths } from "../system/home.ts";
import { answerRequest, type DaemonActions, protocolErrorBody } from "./api.ts";
import { type DaemonLock } from "./daemon-lock.ts";
import { HTTP_LIMITS } from "./http/limits.ts";
import { HttpServer } from "./http/serve-http.ts";
import { socketPath } from "./socket-path.ts";

/** The runtime begins to watch in a thread of its own: what came before that is looked for once, so much later, in milliseconds. */
const SETTLED_MS = 500;

type ListeningOptions = {
  paths: HomePaths;
  daemon: DaemonActions;
  /** Called when a request comes and when it is answered. */
  touch: () => void;
  warn: (message: string) => void;
  lock: DaemonLock;
  /** Somebody has removed the lock's file, and another daemon has this one's place by now. */
  onReplaced: () => void;
  /** The whole home is gone. */
  onGone: () => void;
};

/** The daemon's socket in its home, for as long as there is a home. */
export class Listening {
  readonly #options: ListeningOptions;
  readonly #watch: Disposable;
  #server: HttpServer;
  #isClosed = false;

  constructor(options: ListeningOptions) {
    this.#options = options;
    // First what can fail and keeps nothing running: an open server would, and nobody could close it.
    this.#watch = watchPlace(options, () => this.#again());
    try {
      this.#server = openServer(options);
    } catch (thrown) {
      this.#watch[Symbol.dispose]();
      throw thrown;
    }
  }

  get counts() {
    return this.#server.counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#watch[Symbol.dispose]();
    await this.#server[Symbol.asyncDispose]();
  }

  #again(): void {
    if (this.#isClosed) return;
    void this.#server[Symbol.asyncDispose]();
    this.#server = openServer(this.#options);
  }
}

function openServer({ paths, daemon, touch, warn }: ListeningOptions): HttpServer {
  const path = socketPath(paths);
  // The lock says that there is no other daemon: what lies there was left by a dead one.
  removeSocket(path);
  const uid = process.getuid?.() ?? 0;
  return new HttpServer({
    path,
    limits: HTTP_LIMITS,
    isAllowed: (peer) => peer.uid === uid || peer.uid === 0,
    handle: async (request) => {
      touch();
      try {
        return await answerRequest(daemon, request);
      } finally {
        touch();
      }
    },
    errorBody: protocolErrorBody,
    onBug: (thrown) => warn(thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)),
  });
}

/** @throws {AuroraError} `conflict` where a directory is in its place: that may hold anything */
function removeSocket(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (thrown) {
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw thrown;
    throw new AuroraError("conflict", `cannot listen on "${path}": a directory is in its place`, {
      cause: thrown,
      hint: "move it away",
    });
  }
}

/**
 * Without its socket nobody finds the daemon: it listens anew, or ends where the whole home is gone. Without the file of its lock it
 * would not be the only one for long.
 */
function watchPlace({ paths, lock, onReplaced, onGone }: ListeningOptions, listen: () => void): Disposable {
  let isEnded = false;
  const look = () => {
    if (isEnded) return;
    const isHomeThere = existsSync(paths.database) && existsSync(paths.run);
    if (isHomeThere && !lock.keep()) return onReplaced();
    if (existsSync(socketPath(paths))) return;
    if (isHomeThere) listen();
    else onGone();
  };
  const watcher = watch(paths.run, { persistent: false }, (_event, name) => {
    if (name === null || name === "aurora.sock" || name === "daemon.lock" || !existsSync(paths.run)) look();
  });
  watcher.on("error", onGone);
  const settling = setTimeout(look, SETTLED_MS);
  return {
    [Symbol.dispose]() {
      isEnded = true;
      clearTimeout(settling);
      watcher.close();
    },
  };
}
