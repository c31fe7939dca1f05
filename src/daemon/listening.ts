import { existsSync, rmSync, watch } from "node:fs";

import { type HomePaths } from "../system/home.ts";
import { answerRequest, type DaemonActions, protocolErrorBody } from "./api.ts";
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
    this.#watch = watchSocket(options.paths, () => this.#again(), options.onGone);
    this.#server = openServer(options);
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
  rmSync(path, { force: true });
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

/** Without its socket nobody finds the daemon: it listens anew, or ends where the whole home is gone. */
function watchSocket(paths: HomePaths, listen: () => void, gone: () => void): Disposable {
  let isEnded = false;
  const look = () => {
    if (isEnded || existsSync(socketPath(paths))) return;
    if (existsSync(paths.database) && existsSync(paths.run)) listen();
    else gone();
  };
  const watcher = watch(paths.run, { persistent: false }, (_event, name) => {
    if (name === null || name === "aurora.sock" || !existsSync(paths.run)) look();
  });
  watcher.on("error", gone);
  const settling = setTimeout(look, SETTLED_MS);
  return {
    [Symbol.dispose]() {
      isEnded = true;
      clearTimeout(settling);
      watcher.close();
    },
  };
}
