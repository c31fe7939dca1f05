import { closeSync } from "node:fs";
import { constants } from "node:os";

import { memoryKills } from "../system/control-group.ts";
import { openMemoryFile } from "../system/memory-file.ts";
import { processIds, readProcess } from "../system/process-table.ts";
import { randomHex } from "../system/random-id.ts";
import { type Confinement, unconfined } from "./confinement/confine.ts";
import { spawnConfined } from "./confinement/spawn-confined.ts";
import { passSignals } from "./foreground-signals.ts";
import { longTimer } from "./long-timer.ts";
import { OutputCapture } from "./output-capture.ts";
import { stopGroup } from "./stop-group.ts";
import { findProcesses, identify, type ProcessIdentity, send, stopTree } from "./tree.ts";

/** Where a stream of the child goes. A descriptor is a file opened by the caller, who closes it. */
type Sink = "capture" | "inherit" | { descriptor: number };

export type RunOptions = {
  /** `argv[0]` is looked up in `env.PATH` when it holds no slash. No shell is between. */
  argv: readonly string[];
  cwd: string;
  /** The complete environment; only `AURORA_RUN_ID` is added, by which the tree is found again. */
  env: Readonly<Record<string, string>>;
  /** "none" (default) is an empty input. */
  stdin?: "none" | "inherit" | Uint8Array;
  stdout?: Sink;
  stderr?: Sink;
  /** Called with each chunk of a captured stream as it comes, the dropped ones too. */
  onOutput?: (stream: "stdout" | "stderr", chunk: Uint8Array) => void;
  /** Per stream; what is beyond is read and dropped. */
  maxBufferBytes?: number;
  /** Then the whole tree gets the stop signal, and after `graceMs` SIGKILL. May be longer than 2^31 ms. */
  timeoutMs?: number;
  graceMs?: number;
  stopSignal?: NodeJS.Signals;
  /** Abort does the same as the timeout. */
  signal?: AbortSignal;
  /** Do not end what the command has left running in the background (a oneshot pack's start). */
  leaveRunning?: boolean;
  /** Keep the terminal: the caller's group and session, with signals passed on once. */
  foreground?: boolean;
  umask?: number;
  /** The directory of a control group to start in; whatever is in it belongs to the tree. */
  cgroup?: string;
  /** What the command may do, it and all that it starts. Without it, whatever the caller may. */
  confinement?: Confinement;
};

export type RunResult = {
  /** The exit code; 128 + N after death by signal N; -1 where it was stopped by the timeout or an abort. */
  rc: number;
  /** The signal it died of. */
  signal: NodeJS.Signals | null;
  timeout: boolean;
  aborted: boolean;
  stdout: Uint8Array;
  stderr: Uint8Array;
  /** Something of a stream was dropped. */
  truncated: boolean;
  /** From the start of the command to its end, without what it left behind. */
  durationMs: number;
  /**
   * The largest resident size of the command, and of what it has waited for. Where nobody waits for it but this program, the kernel
   * counts the moment before exec as well, so that it is never below this program's own.
   */
  maxRssBytes: number;
  /** It was killed because all of it together had more memory than its policy allows. */
  outOfMemory: boolean;
  /** User and system time of the command and the children it has waited for. */
  cpuMs: number;
  pid: number;
  processGroup: number;
  /** What it has left running, where `leaveRunning` lets it. */
  left: ProcessIdentity[];
};

export const DEFAULT_MAX_BUFFER_BYTES = 16 * 1024 ** 2;
const DEFAULT_GRACE_MS = 5_000;
/** What the launcher of a confined command ends with where the command could not be started. */
const EXIT_NOT_STARTED = 125;
/** What a command leaves behind after it has ended by itself gets at most this long to end as well. */
const LEFTOVER_GRACE_MS = 500;
/** A pid cannot come round to the same number within this time, even where there are only 32,768. */
const NO_WRAP_MS = 1_000;

/**
 * Runs a command to its end. Success, failure, timeout and abort share one shape of result.
 *
 * By default it gets a session of its own, and when it ends, so does everything it has started: whoever is in its session or
 * group, descends from it, or carries its `AURORA_RUN_ID` (a daemon that forked twice and called setsid). Nobody who holds
 * its output open is waited for.
 *
 * @throws {AuroraError} `command-not-found`, `not-executable`, `exec-failed`, where it could not be started; `denied` where
 *   it could not be confined
 * @throws what `onOutput` threw, after the command has ended
 */
export async function run(options: RunOptions): Promise<RunResult> {
  const { maxBufferBytes = DEFAULT_MAX_BUFFER_BYTES, onOutput, foreground = false } = options;
  const runId = randomHex(8);
  using io = openStreams(options, maxBufferBytes, onOutput);
  let leader: ProcessIdentity | undefined;
  // Before the start: a signal that comes in between would end this program and leave the command.
  const stopPassing = foreground ? passSignals((signal) => void (leader && send(leader, signal))) : () => {};
  try {
    const started = performance.now();
    using confined = spawnConfined(
      {
        ...options,
        env: { ...options.env, AURORA_RUN_ID: runId },
        ...io.childStreams,
        newSession: !foreground,
      },
      options.confinement ?? unconfined,
    );
    const { child } = confined;
    const { pid } = child;
    const controlGroup = confined.controlGroup ?? options.cgroup;
    if (foreground) leader = identify(pid);
    io.start();
    const find = (after?: number) =>
      findProcesses(
        {
          environment: { AURORA_RUN_ID: runId },
          ...(leader ? { root: leader } : {}),
          ...(foreground ? {} : { processGroup: pid, session: pid }),
          ...(controlGroup === undefined ? {} : { controlGroup }),
        },
        after,
      );
    const { killAll } = confined;
    const tree = { find, ...(killAll ? { killAll } : {}) };
    const ending = await waitOrStop(child, options, tree);
    const durationMs = performance.now() - started;
    // A command that could signal its reaper may have killed it.
    const hasEndedTree = confined.endsTree === true && child.signalCode !== "SIGKILL";
    const needsNoLook = options.leaveRunning === true || hasEndedTree;
    if (ending === "exited" && !needsNoLook) await endLeftovers(pid, durationMs, options, tree);
    const [stdout, stderr] = [await io.stdout?.finish(), await io.stderr?.finish()];
    const failure = child.exitCode === EXIT_NOT_STARTED ? confined.failure() : undefined;
    if (failure !== undefined) throw failure;
    const left = options.leaveRunning === true ? find() : [];
    const usage = child.resourceUsage();
    const memory = confined.memory();
    const signal = (child.signalCode as NodeJS.Signals | null) ?? null;
    return {
      rc: ending === "exited" ? exitCodeOf(child.exitCode, signal) : -1,
      signal,
      timeout: ending === "timeout",
      aborted: ending === "aborted",
      stdout: stdout ?? new Uint8Array(),
      stderr: stderr ?? new Uint8Array(),
      truncated: (io.stdout?.truncated ?? false) || (io.stderr?.truncated ?? false),
      durationMs,
      maxRssBytes: memory?.peakBytes ?? usage?.maxRSS ?? 0,
      outOfMemory: (memory?.isTooMuch ?? false) || (signal === "SIGKILL" && isKilledByGroup(confined)),
      cpuMs: Number(usage?.cpuTime.total ?? 0n) / 1000,
      pid,
      processGroup: foreground ? (readProcess(process.pid)?.processGroup ?? 0) : pid,
      left,
    };
  } finally {
    stopPassing();
  }
}

/** Whether the kernel has killed what is in its group, which together had more memory than the group may have. */
function isKilledByGroup({ controlGroup }: { controlGroup?: string | undefined }): boolean {
  const kills = controlGroup === undefined ? null : memoryKills(controlGroup);
  return kills !== null && kills.limitReached > 0 && kills.killed > 0;
}

/** 128 + N for death by signal N, as shells have it. */
function exitCodeOf(exitCode: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? (exitCode ?? -1) : 128 + constants.signals[signal];
}

type Tree = { find: (after?: number) => ProcessIdentity[]; killAll?: () => void };
type Ending = "exited" | "timeout" | "aborted";

/** Waits for the leader's end, or brings it about. What comes first decides; a second event changes nothing. */
async function waitOrStop(child: Bun.Subprocess, options: RunOptions, tree: Tree): Promise<Ending> {
  const { timeoutMs = Infinity, signal } = options;
  const stop = Promise.withResolvers<Ending>();
  const cancelTimer = timeoutMs === Infinity ? () => {} : longTimer(timeoutMs, () => stop.resolve("timeout"));
  const onAbort = () => stop.resolve("aborted");
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const ending = await Promise.race([child.exited.then((): Ending => "exited"), stop.promise]);
    if (ending === "exited") return ending;
    const how = {
      signal: options.stopSignal ?? "SIGTERM",
      timeoutMs: options.graceMs ?? DEFAULT_GRACE_MS,
    };
    if (processIds().length === 0) {
      await stopGroup(child, options.foreground !== true, how);
      return ending;
    }
    const { survivors } = await stopTree(() => tree.find(), { ...tree, ...how });
    // Only a process in an uninterruptible wait outlives SIGKILL; it must not hold the caller as well.
    if (survivors.some(({ pid }) => pid === child.pid)) child.unref();
    else await child.exited;
    return ending;
  } finally {
    cancelTimer();
    signal?.removeEventListener("abort", onAbort);
  }
}

async function endLeftovers(pid: number, durationMs: number, options: RunOptions, tree: Tree): Promise<void> {
  // What it has started has got a later number, which spares most runs the look at every process of the machine.
  if (tree.find(durationMs < NO_WRAP_MS ? pid : undefined).length === 0) return;
  await stopTree(() => tree.find(), {
    ...tree,
    signal: options.stopSignal ?? "SIGTERM",
    timeoutMs: Math.min(options.graceMs ?? DEFAULT_GRACE_MS, LEFTOVER_GRACE_MS),
  });
}

/** Everything that has to be closed again, however the run ends. */
function openStreams(options: RunOptions, maxBytes: number, onOutput: RunOptions["onOutput"]) {
  const { stdin = "none", stdout = "capture", stderr = "capture" } = options;
  const opened: (() => void)[] = [];
  const close = () => {
    for (const dispose of opened) dispose();
  };
  const capture = (stream: "stdout" | "stderr") => {
    const captured = new OutputCapture(maxBytes, onOutput && ((chunk) => onOutput(stream, chunk)));
    opened.push(() => captured.dispose());
    return captured;
  };
  try {
    const input = typeof stdin === "string" ? stdin : openMemoryFile("stdin", stdin);
    if (typeof input === "number") opened.push(() => closeSync(input));
    const out = stdout === "capture" ? capture("stdout") : undefined;
    const err = stderr === "capture" ? capture("stderr") : undefined;
    return {
      stdout: out,
      stderr: err,
      childStreams: {
        stdin: input === "none" ? ("ignore" as const) : input,
        stdout: out?.childEnd ?? (typeof stdout === "object" ? stdout.descriptor : ("inherit" as const)),
        stderr: err?.childEnd ?? (typeof stderr === "object" ? stderr.descriptor : ("inherit" as const)),
      },
      start() {
        out?.start();
        err?.start();
      },
      [Symbol.dispose]: close,
    };
  } catch (thrown) {
    close();
    throw thrown;
  }
}
