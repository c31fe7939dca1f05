import { type Context, type Paint } from "../commands/command.ts";
import { AuroraError, systemReason } from "../errors.ts";
import { homeDirectory, withoutLinks } from "../system/home.ts";
import { parseDuration } from "../system/units.ts";
import { createLazyLog } from "./lazy-log.ts";
import { writeAll } from "./output.ts";
import { paintWith } from "./paint.ts";
import { askTerminal, isTerminal, readStdin } from "./terminal.ts";

const DEFAULT_WAIT_MS = 10_000;

export type GlobalFlags = {
  json: boolean;
  quiet: boolean;
  home: string | undefined;
  wait: string | undefined;
  noInput: boolean;
  noColor: boolean;
  noDaemon: boolean;
};

/** Colour on a descriptor: a terminal, and nobody said no. */
export async function paintFor(descriptor: 1 | 2, noColor: boolean): Promise<Paint> {
  return paintWith(isColorAllowed(noColor) && (await isTerminal(descriptor)));
}

/** https://no-color.org, TERM=dumb, --no-color. */
function isColorAllowed(noColor: boolean): boolean {
  return !noColor && !isTerminalDumb() && (process.env["NO_COLOR"] ?? "") === "";
}

/** It knows no control sequences: an editor's shell, for example. */
function isTerminalDumb(): boolean {
  return process.env["TERM"] === "dumb";
}

/**
 * Builds what a command may touch: the only place that knows the process and the terminal. The caller flushes the log before
 * it writes to stderr itself, and at the end.
 */
export async function createContext(
  flags: GlobalFlags,
): Promise<{ context: Context; flushLog: () => Promise<void> }> {
  seeChildrenEnd();
  const [stdinIsTerminal, stderrIsTerminal, paint] = await Promise.all([
    isTerminal(0),
    isTerminal(2),
    paintFor(2, flags.noColor),
  ]);
  const stdoutIsTerminal = await isTerminal(1);
  const log = createLazyLog(async () => {
    const { createLog } = await import("./log.ts");
    return createLog(stderrIsTerminal && !isTerminalDumb(), flags.quiet, paint);
  });
  const canAsk = stdinIsTerminal && stderrIsTerminal && !flags.noInput;
  let home: string | undefined;
  const context: Context = {
    // Found out when it is first needed: `version` and `device` work for somebody who has no home at all.
    get home() {
      home ??= withoutLinks(
        homeDirectory(flags.home, process.env, process.getuid?.() ?? 0, currentDirectory),
      );
      return home;
    },
    // As late: whoever stands in a directory that was removed may still name others.
    get cwd() {
      return currentDirectory();
    },
    env: process.env,
    self: selfPath(),
    now: () => new Date(),
    get signal() {
      return abortOnSignals();
    },
    json: flags.json,
    quiet: flags.quiet,
    waitMs: flags.wait === undefined ? DEFAULT_WAIT_MS : parseWait(flags.wait),
    noDaemon: flags.noDaemon,
    stdin: { isTerminal: stdinIsTerminal, chunks: readStdin },
    stdout: {
      isTerminal: stdoutIsTerminal,
      write: (data) => writeAll(1, data),
      color: stdoutIsTerminal && isColorAllowed(flags.noColor),
    },
    log,
    hasScreen: stdinIsTerminal && stdoutIsTerminal && !isTerminalDumb(),
    openScreen: async () => {
      const hint = "aurora status --watch works without one";
      if (!stdinIsTerminal || !stdoutIsTerminal)
        throw new AuroraError("usage", "this needs a terminal", { hint });
      if (!context.hasScreen)
        throw new AuroraError("usage", 'this needs a terminal that can be drawn on: TERM is "dumb"', {
          hint,
        });
      const { openScreen } = await import("./screen.ts");
      return openScreen();
    },
    ask: async (question) => {
      if (!canAsk) return undefined;
      await log.flush();
      return await askTerminal(question, abortOnSignals());
    },
  };
  return { context, flushLog: log.flush };
}

/** Whoever ignores SIGCHLD hands that on, and then the kernel tells nobody how a child has ended: a listener that goes takes it away. */
function seeChildrenEnd(): void {
  const nothing = () => {};
  process.on("SIGCHLD", nothing);
  process.off("SIGCHLD", nothing);
}

function currentDirectory(): string {
  try {
    return process.cwd();
  } catch (thrown) {
    throw new AuroraError(
      "io",
      `cannot tell the current directory: ${systemReason(thrown) ?? String(thrown)}`,
      {
        cause: thrown,
        hint: "it may have been removed: cd to one that is there, or give absolute paths",
      },
    );
  }
}

/** A compiled program lives in Bun's virtual file system, `/$bunfs`; from sources, a script stands in for it. */
function selfPath(): string {
  return Bun.main.startsWith("/$bunfs/")
    ? process.execPath
    : Bun.main.replace(/src\/main\.ts$/, "scripts/aurora");
}

let controller: AbortController | undefined;

/** The signal that aborted, if one did: the exit code is then 128 + its number. */
export function receivedSignal(): "SIGINT" | "SIGTERM" | "SIGHUP" | undefined {
  return controller?.signal.aborted ? (controller.signal.reason as "SIGINT") : undefined;
}

/** Until a command asks for this, a signal ends the program at once, which is right for commands that change nothing. */
function abortOnSignals(): AbortSignal {
  if (controller) return controller.signal;
  controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => controller?.abort(name));
  return controller.signal;
}

function parseWait(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new AuroraError("usage", `cannot read --wait "${text}": it is not a duration`, {
    hint: "write 10s, 2m or 500ms",
  });
}
