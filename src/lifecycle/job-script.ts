import { run } from "../process/run.ts";
import { isScript, scriptArgv } from "../process/script-argv.ts";
import { makeDirectory } from "../system/durable.ts";
import { createScratch } from "../system/scratch.ts";
import { packProcess } from "./pack-process.ts";
import { jobLogName } from "./read-logs.ts";
import { ScriptLog } from "./script-log.ts";
import { endOfRun, OwnAnswers, type ScriptPack, type ScriptReport, serveOwn } from "./script.ts";
import { type Workspace } from "./workspace.ts";

export type JobScript = {
  name: string;
  command: readonly string[];
  /** Whether the first word is a file of the pack, as in a manifest; else it is a command like one of `exec`. */
  isEntrypoint: boolean;
  /** The time that the run was scheduled for, in milliseconds since 1970-01-01T00:00Z. */
  scheduledMs: number;
  attempt: number;
  /** Marks the processes of this try, so that they are found again. */
  runId: string;
  timeoutMs: number | null;
};

export type JobScriptReport = ScriptReport & { aborted: boolean };

/** The variable that holds a try's mark. */
export const JOB_RUN_VARIABLE = "AURORA_JOB_RUN";
/** Of each stream, the last so many bytes are kept in memory; the log has all of it. */
const TAIL_BYTES = 8 * 1024;

/**
 * Runs one try of a job to its end: the only place where a job becomes a process. Its output goes to the pack's logs. What
 * it leaves behind is ended.
 *
 * @returns the report, whatever the exit code; rc is -1 where it was ended by its time limit or an abort
 * @throws {AuroraError} `not-executable`, `command-not-found`, `exec-failed`; `denied` where it cannot be confined as it has to be
 */
export async function runJobScript(
  workspace: Workspace,
  pack: ScriptPack,
  job: JobScript,
  signal: AbortSignal,
): Promise<JobScriptReport> {
  makeDirectory(pack.dataDirectory, 0o700);
  makeDirectory(pack.logDirectory, 0o700);
  const at = workspace.now().toISOString();
  using scratch = createScratch(workspace.paths.tmp, "job");
  const { env: environment, confinement, channel, user } = packProcess(workspace, pack, "job", scratch.path);
  await using _channel = serveOwn(new OwnAnswers(() => workspace), pack.manifest.pack.id, { channel, user });
  using log = ScriptLog.open(pack.logDirectory, jobLogName(job.name), workspace.now);
  const [word = ""] = job.command;
  const isOwn = job.isEntrypoint || (word.includes("/") && isScript(word));
  const { argv, env } = isOwn
    ? scriptArgv(job.command, pack.packDirectory)
    : { argv: [...job.command], env: {} };
  const tails = { stdout: new Tail(), stderr: new Tail() };
  const result = await run({
    argv,
    cwd: pack.packDirectory,
    env: {
      ...environment,
      ...env,
      AURORA_JOB: job.name,
      AURORA_SCHEDULED_AT: new Date(job.scheduledMs).toISOString(),
      AURORA_ATTEMPT: String(job.attempt),
      [JOB_RUN_VARIABLE]: job.runId,
    },
    confinement,
    ...(user === undefined ? {} : { owner: user }),
    onOutput: (stream, chunk) => {
      tails[stream].add(chunk);
      log.add(stream, chunk);
    },
    maxBufferBytes: 0,
    ...(job.timeoutMs === null ? {} : { timeoutMs: job.timeoutMs }),
    signal,
  });
  return {
    name: job.name,
    ...endOfRun(result),
    at,
    aborted: result.aborted,
    stdout: tails.stdout.text,
    stderr: tails.stderr.text,
  };
}

/** The end of a stream. */
class Tail {
  #bytes = Buffer.alloc(0);

  add(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
  }

  get text(): string {
    return new TextDecoder().decode(this.#bytes);
  }
}
