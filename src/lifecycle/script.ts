import { type Manifest } from "../manifest/schema.ts";
import { run, type RunResult } from "../process/run.ts";
import { scriptArgv } from "../process/script-argv.ts";
import { makeDirectory } from "../system/durable.ts";
import { createScratch } from "../system/scratch.ts";
import { answerOwn } from "./channel/answer-own.ts";
import { type ChannelReply, type ChannelRequest } from "./channel/protocol.ts";
import { type Answers, serveChannel } from "./channel/serve-channel.ts";
import { type PackProcess, packProcess } from "./pack-process.ts";
import { type Permissions, permissionsOf } from "./permissions.ts";
import { ScriptLog } from "./script-log.ts";
import { type Workspace } from "./workspace.ts";

export type ScriptName = "install" | "start" | "stop" | "health" | "test";

/** How long a script may take, in milliseconds, where the manifest does not say. */
export const INSTALL_TIMEOUT_MS = 15 * 60_000;
export const START_TIMEOUT_MS = 2 * 60_000;
export const TEST_TIMEOUT_MS = 15 * 60_000;
/** Of each stream of a script, so much is kept in memory for reports; the log has all of it. */
const MAX_OUTPUT_BYTES = 1024 ** 2;
/** So much of a script's output is shown by `why` and kept in the journal. */
const TAIL_BYTES = 2000;

/** A pack at one generation, and where its parts lie. A dry run gives scratch copies. */
export type ScriptPack = {
  manifest: Manifest;
  generation: number;
  packDirectory: string;
  dataDirectory: string;
  logDirectory: string;
  home: string;
  isDryRun: boolean;
  /** What the operator has approved of what the manifest asks for. */
  permissions: Permissions;
  /** The operator lets it run unconfined. */
  allowAll: boolean;
};

export type ScriptReport = {
  name: string;
  rc: number;
  signal: string | null;
  timeout: boolean;
  at: string;
  duration_ms: number;
  stdout: string;
  stderr: string;
  /** There where it was killed for more memory than `limits.memory`. */
  out_of_memory?: true;
  /** Of a supervised service that did not start: why, where its exit code is not all there is to say. */
  why?: string | null;
};

/** A pack of a home at a generation that an operator has approved, with all that it asks for: live, or about to be. */
export function scriptPack(
  { paths }: Pick<Workspace, "paths">,
  manifest: Manifest,
  { digest, generation, allow_all }: { digest: string; generation: number; allow_all: number },
): ScriptPack {
  return {
    manifest,
    generation,
    packDirectory: paths.tree(digest),
    dataDirectory: paths.dataOf(manifest.pack.id),
    logDirectory: paths.logsOf(manifest.pack.id),
    home: paths.home,
    isDryRun: false,
    permissions: permissionsOf(manifest),
    allowAll: allow_all === 1,
  };
}

/** Serves the channel of a pack's process, if it has one, until it is disposed. */
export function serveOwn(
  answers: OwnAnswers,
  packId: string,
  { channel, user }: Pick<PackProcess, "channel" | "user">,
): AsyncDisposable | undefined {
  if (channel === null) return undefined;
  return serveChannel({
    directory: channel,
    answers,
    asker: packId,
    ...(user === undefined ? {} : { owner: user }),
  });
}

/** Answers what packs ask for by their channels: a daemon has one for all services. */
export class OwnAnswers implements Answers {
  readonly #workspaceOf: (packId: string) => Workspace;
  /** Made with a pack's first request: most never ask for anything. */
  readonly #known = new Map<string, ReturnType<typeof answerOwn>>();

  /** @param workspaceOf called with a pack at its first request */
  constructor(workspaceOf: (packId: string) => Workspace) {
    this.#workspaceOf = workspaceOf;
  }

  answer(request: ChannelRequest, signal: AbortSignal, packId: string): Promise<ChannelReply> {
    const known = this.#known.get(packId) ?? answerOwn(this.#workspaceOf(packId), packId);
    this.#known.set(packId, known);
    return known(request, signal);
  }
}

type RunScriptOptions = {
  args?: readonly string[];
  timeoutMs: number;
  signal?: AbortSignal | undefined;
};

/**
 * Runs one of a pack's entrypoints to its end and kills what it leaves behind. Its output goes to the pack's log, line by
 * line with times, and is returned.
 *
 * @returns the report, whatever the exit code; rc is -1 after a timeout
 * @throws {AuroraError} `not-executable`, `command-not-found`; `denied` where it cannot be confined as it has to be
 */
export async function runScript(
  workspace: Workspace,
  pack: ScriptPack,
  name: ScriptName,
  options: RunScriptOptions,
): Promise<ScriptReport> {
  const entry = pack.manifest.pack.entrypoint[name];
  if (entry === null) throw new Error(`"${pack.manifest.pack.id}" has no entrypoint "${name}"`);
  makeDirectory(pack.dataDirectory, 0o700);
  makeDirectory(pack.logDirectory, 0o700);
  const at = workspace.now().toISOString();
  using scratch = createScratch(workspace.paths.tmp, name);
  const { env: environment, confinement, channel, user } = packProcess(workspace, pack, name, scratch.path);
  await using _channel = serveOwn(new OwnAnswers(() => workspace), pack.manifest.pack.id, { channel, user });
  using log = ScriptLog.open(pack.logDirectory, name, workspace.now);
  const { argv, env } = scriptArgv(entry, pack.packDirectory);
  const result = await run({
    argv: [...argv, ...(options.args ?? [])],
    cwd: pack.packDirectory,
    env: { ...environment, ...env },
    confinement,
    onOutput: (stream, chunk) => log.add(stream, chunk),
    maxBufferBytes: MAX_OUTPUT_BYTES,
    timeoutMs: options.timeoutMs,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const decoder = new TextDecoder();
  return {
    name,
    ...endOfRun(result),
    at,
    stdout: decoder.decode(result.stdout),
    stderr: decoder.decode(result.stderr),
  };
}

/** What a report says of how a script ended. */
export function endOfRun(
  result: RunResult,
): Pick<ScriptReport, "rc" | "signal" | "timeout" | "duration_ms" | "out_of_memory"> {
  return {
    rc: result.rc,
    signal: result.signal,
    timeout: result.timeout,
    duration_ms: Math.round(result.durationMs),
    ...(result.outOfMemory ? { out_of_memory: true } : {}),
  };
}

/** The last lines of what a script printed: stderr, or stdout where that is empty. */
export function outputTail({ stdout, stderr }: Pick<ScriptReport, "stdout" | "stderr">): string {
  const text = (stderr.trim() === "" ? stdout : stderr).trimEnd();
  return text.length <= TAIL_BYTES ? text : `…${text.slice(-TAIL_BYTES)}`;
}

/** What became of a script, in words that begin with "it" or "its": for a reason. */
export function reasonOf(report: ScriptReport): string {
  return report.why ?? `its ${report.name} script ${endingOf(report)}`;
}

/** How a script ended, in words: "ended with exit code 3", "did not end in time", "died of SIGSEGV". */
export function endingOf({
  rc,
  signal,
  timeout,
  out_of_memory: isOverLimit,
}: Pick<ScriptReport, "rc" | "signal" | "timeout" | "out_of_memory">): string {
  if (timeout) return "did not end in time";
  if (isOverLimit) return "was killed for lack of memory: it took more than its limit";
  if (signal !== null) return `died of ${signal}`;
  return `ended with exit code ${rc}`;
}
