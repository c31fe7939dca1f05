import { connect } from "node:net";

import { AuroraError } from "../errors.ts";
import { LONGEST_TIMER_MS } from "./long-timer.ts";
import { run, type RunOptions } from "./run.ts";

export type ProbeResult = {
  healthy: boolean;
  /** The exit code of a command, the status of an HTTP answer; null where there is none. */
  rc: number | null;
  durationMs: number;
  /** The first of what was printed or answered. */
  output: string;
  /** What was found, in words: "exit code 3", "HTTP status 503", "connection refused". */
  detail: string;
};

/** So much of an answer is kept for people to read. */
export const PROBE_OUTPUT_BYTES = 16 * 1024;

/** A check by command: healthy is exit code 0. */
export async function probeExec(options: RunOptions & { timeoutMs: number }): Promise<ProbeResult> {
  const started = performance.now();
  try {
    const result = await run({ maxBufferBytes: PROBE_OUTPUT_BYTES, ...options });
    const { rc, signal, timeout, aborted, durationMs } = result;
    return {
      healthy: rc === 0,
      rc,
      durationMs,
      output: Buffer.concat([result.stdout, result.stderr]).toString(),
      detail: timeout
        ? `no end within ${options.timeoutMs} ms`
        : aborted
          ? "stopped"
          : signal === null
            ? `exit code ${rc}`
            : `died of ${signal}`,
    };
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    const durationMs = performance.now() - started;
    return { healthy: false, rc: null, durationMs, output: "", detail: thrown.message };
  }
}

/**
 * A check by HTTP GET: healthy is a status from 200 to 399; a redirect is not followed. A proxy in the environment is not
 * asked: the service is near.
 */
export async function probeHttp(url: string, timeoutMs: number, signal?: AbortSignal): Promise<ProbeResult> {
  const started = performance.now();
  const timeLimit = AbortSignal.timeout(Math.min(timeoutMs, LONGEST_TIMER_MS));
  try {
    const response = await fetch(url, {
      redirect: "manual",
      keepalive: false,
      proxy: false,
      signal: signal ? AbortSignal.any([signal, timeLimit]) : timeLimit,
    });
    const output = await firstBytes(response);
    const { status } = response;
    return {
      healthy: status >= 200 && status < 400,
      rc: status,
      durationMs: performance.now() - started,
      output,
      detail: `HTTP status ${status}`,
    };
  } catch (thrown) {
    return {
      healthy: false,
      rc: null,
      durationMs: performance.now() - started,
      output: "",
      detail: timeLimit.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(thrown),
    };
  }
}

/** A check by connecting to a TCP port of this machine: healthy is a connection. */
export async function probeTcp(port: number, timeoutMs: number, signal?: AbortSignal): Promise<ProbeResult> {
  const started = performance.now();
  const { promise, resolve } = Promise.withResolvers<{ healthy: boolean; detail: string }>();
  const socket = connect({ host: "127.0.0.1", port });
  const timer = setTimeout(
    () => resolve({ healthy: false, detail: `no answer within ${timeoutMs} ms` }),
    Math.min(timeoutMs, LONGEST_TIMER_MS),
  );
  const onAbort = () => resolve({ healthy: false, detail: "stopped" });
  socket.on("connect", () => resolve({ healthy: true, detail: "connected" }));
  socket.on("error", (error) => resolve({ healthy: false, detail: reasonOf(error) }));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    return { rc: null, output: "", ...(await promise), durationMs: performance.now() - started };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}

/** An endless answer must not fill the memory: the rest is not read. */
async function firstBytes(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= PROBE_OUTPUT_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, PROBE_OUTPUT_BYTES).toString();
}

function reasonOf(thrown: unknown): string {
  const { code, message } = thrown as { code?: string; message?: string };
  if (code === "ECONNREFUSED" || code === "ConnectionRefused") return "connection refused";
  return message ?? String(thrown);
}
