import { AuroraError, type ErrorCode } from "../../errors.ts";
import { run, type RunOptions } from "../../process/run.ts";
import { parseDuration } from "../../system/units.ts";
import { type Context } from "../command.ts";

/** What `exec` and `run` say of a command that has ended. */
export type CommandResult = {
  /** -1 after a timeout. */
  rc: number;
  timeout: boolean;
  signal: string | null;
  /** Empty where the streams were passed through. */
  stdout: string;
  stderr: string;
  /** "base64" where what was printed is not UTF-8. */
  stdout_encoding?: "base64";
  stderr_encoding?: "base64";
  truncated: boolean;
  duration_ms: number;
  max_rss_bytes: number;
  /** There where it was killed for more memory than `limits.memory`. */
  out_of_memory?: true;
};

type Command = Pick<RunOptions, "argv" | "cwd" | "env" | "confinement"> & {
  timeoutMs?: number | undefined;
};

const EXIT_TIMED_OUT = 124;

/**
 * Runs a command for the user at the keyboard: with the standard streams and the terminal passed through, or, for `--json`,
 * with its output captured.
 */
export async function runCommand(context: Context, command: Command): Promise<CommandResult> {
  const { timeoutMs, ...rest } = command;
  const { argv } = command;
  const common = { ...rest, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  const result = context.json
    ? await run({
        ...common,
        // A session of its own may not read the terminal.
        stdin: context.stdin.isTerminal ? "none" : "inherit",
        signal: context.signal,
      })
    : await run({ ...common, stdin: "inherit", stdout: "inherit", stderr: "inherit", foreground: true });
  if (result.aborted)
    throw new AuroraError("interrupted", `"${argv[0]}" was stopped by ${String(context.signal.reason)}`);
  return {
    rc: result.rc,
    timeout: result.timeout,
    signal: result.signal,
    ...textOf("stdout", result.stdout),
    ...textOf("stderr", result.stderr),
    truncated: result.truncated,
    duration_ms: Math.round(result.durationMs),
    max_rss_bytes: result.maxRssBytes,
    ...(result.outOfMemory ? { out_of_memory: true as const } : {}),
  };
}

/** The command's own exit code, 128 + N after death by signal N, 124 after a timeout. */
export function commandExitCode({ rc, timeout }: CommandResult): number {
  return timeout ? EXIT_TIMED_OUT : rc;
}

/** Reads `--timeout`. Throws `usage`. */
export function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new AuroraError("usage", `cannot read --timeout "${text}": it is not a duration`, {
    hint: "write 10s, 2m or 500ms",
  });
}

const ownCodes: readonly ErrorCode[] = [
  "usage",
  "interrupted",
  "not-executable",
  "command-not-found",
  "internal",
];

/**
 * The exit code of a command that was passed through means what the command means by it; so what goes wrong before there is
 * one has the code 125.
 */
export async function withOwnFailures<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof AuroraError) || ownCodes.includes(thrown.code)) throw thrown;
    const { message, hint, diagnostics } = thrown;
    throw new AuroraError("exec-failed", message, { hint, diagnostics, cause: thrown });
  }
}

function textOf<S extends "stdout" | "stderr">(stream: S, bytes: Uint8Array) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return { [stream]: text } as Record<S, string>;
  } catch {
    return { [stream]: Buffer.from(bytes).toString("base64"), [`${stream}_encoding`]: "base64" } as Record<
      S,
      string
    >;
  }
}
