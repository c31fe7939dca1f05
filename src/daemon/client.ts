import { AuroraError, type Diagnostic, type ErrorCode, errorCodes, type ErrorDocument } from "../errors.ts";
import { type HomePaths } from "../system/home.ts";
import { type DaemonStatus } from "./api-schema.ts";
import { daemonHolder } from "./daemon-lock.ts";
import { socketPath } from "./socket-path.ts";

type CallOptions = {
  body?: Readonly<Record<string, unknown>>;
  signal?: AbortSignal | undefined;
  /** It is answered without waiting for anything: a daemon that takes longer than `ANSWER_MS` hangs. */
  atOnce?: boolean;
};

/** So long a daemon may take for what it answers at once, in milliseconds. */
const ANSWER_MS = 5000;

/** The daemon does not listen: it has ended, or there is none. */
export class NoDaemon extends AuroraError {
  constructor(message: string, cause?: unknown) {
    super("failed", message, { cause, hint: "try again; aurora daemon status shows whether one runs" });
  }
}

/** There is a daemon, and it does not answer: it was stopped (SIGSTOP), or it is at fault. */
export class HangingDaemon extends AuroraError {
  constructor(pid: number) {
    super("timed-out", `the daemon (pid ${pid}) does not answer`, {
      hint: `kill -KILL ${pid} ends it; its services live on, and the next daemon takes them over`,
    });
  }
}

/**
 * Asks the daemon of a home.
 *
 * @returns the JSON of its answer
 * @throws {NoDaemon} where none listens
 * @throws {HangingDaemon} where what it should answer at once is not answered
 * @throws {AuroraError} as the daemon says it
 */
export async function callDaemon(
  paths: Pick<HomePaths, "run">,
  method: "GET" | "POST",
  path: string,
  { body, signal, atOnce = false }: CallOptions = {},
): Promise<unknown> {
  // Whatever answers on its socket: where nobody holds the lock it is not the daemon.
  const holder = daemonHolder(paths);
  if (!holder) throw new NoDaemon("there is no daemon");
  const late = atOnce ? AbortSignal.timeout(ANSWER_MS) : undefined;
  const signals = [signal, late].filter((one) => one !== undefined);
  let response: Response;
  let text: string;
  try {
    response = await fetch(`http://aurora${path}`, {
      unix: socketPath(paths),
      method,
      // Starting a service may take as long as its manifest says.
      timeout: false,
      // Each command asks once: a kept connection would only be in the way of a daemon that ends.
      headers: { Connection: "close" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
    } as RequestInit);
    text = await response.text();
  } catch (thrown) {
    if (signal?.aborted) throw new AuroraError("interrupted", "stopped while waiting for the daemon");
    if (late?.aborted) throw new HangingDaemon(holder.pid);
    const { code } = thrown as { code?: string };
    throw new NoDaemon(`the daemon does not answer (${code ?? String(thrown)})`, thrown);
  }
  const value = (text === "" ? null : JSON.parse(text)) as unknown;
  if (response.ok) return value;
  const { error } = value as Partial<ErrorDocument>;
  throw error
    ? errorOf(error)
    : new AuroraError("failed", `the daemon answered with status ${response.status}`);
}

/**
 * The daemon of a home, or undefined where none listens.
 *
 * @throws {HangingDaemon} where one does not answer
 */
export async function findDaemon(
  paths: Pick<HomePaths, "run">,
  signal?: AbortSignal,
): Promise<DaemonStatus | undefined> {
  try {
    return (await callDaemon(paths, "GET", "/v1/daemon", { signal, atOnce: true })) as DaemonStatus;
  } catch (thrown) {
    if (thrown instanceof NoDaemon) return undefined;
    throw thrown;
  }
}

/** The error of which a document tells. */
export function errorOf(error: ErrorDocument["error"]): AuroraError {
  const code: ErrorCode = Object.hasOwn(errorCodes, error.code) ? error.code : "failed";
  const diagnostics = error.diagnostics.map(({ message, hint }): Diagnostic => ({
    message,
    hint: hint ?? undefined,
  }));
  return new AuroraError(code, error.message, { hint: error.hint ?? undefined, diagnostics });
}
