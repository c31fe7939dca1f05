import { closeSync, fchownSync, readdirSync, readFileSync, rmSync } from "node:fs";

import { bootId as currentBootId } from "../system/boot.ts";
import { makeDirectory, removeName, replaceFile } from "../system/durable.ts";
import { openLog } from "../system/open-untrusted.ts";
import { openPipe } from "../system/pipe.ts";
import { readProcess } from "../system/process-table.ts";
import { randomHex } from "../system/random-id.ts";
import { removeTree } from "../system/scratch.ts";
import { type Confinement, unconfined } from "./confinement/confine.ts";
import { spawnConfined } from "./confinement/spawn-confined.ts";
import { findProcesses, isAlive, type ProcessIdentity, type StopResult, stopTree } from "./tree.ts";

/** What is kept of a command in the background, as `<directory>/<id>.json`. */
export type BackgroundRecord = {
  id: string;
  /** Who it belongs to: a pack's id. */
  owner: string;
  argv: string[];
  started_at: string;
  log_file: string;
  /** Null only between the intent to start it and the start. */
  pid: number | null;
  /** Clock ticks since boot; with `boot_id` it tells the process from a later one of the same number. */
  start_time: number | null;
  boot_id: string;
  /** Who is starting it, while `pid` is null. */
  starter?: { pid: number; start_time: number } | undefined;
};

export type BackgroundOptions = {
  argv: readonly string[];
  cwd: string;
  /** Given its scratch: the complete environment, what it may do, and the user and group who get its log. */
  prepare: (tmpDirectory: string) => {
    env: Readonly<Record<string, string>>;
    confinement?: Confinement;
    owner?: number | undefined;
  };
  owner: string;
  /** Where the records are; created where it does not exist. */
  directory: string;
  /** Where stdout and stderr go. */
  logFile: (id: string) => string;
  now: Date;
  umask?: number;
};

/** Records of ended commands are kept for looking at, but not without end: so many for each owner. */
export const MAX_ENDED_RECORDS = 20;
/** How long a command has to end after SIGTERM, in milliseconds, before it gets SIGKILL. */
const STOP_GRACE_MS = 5_000;
const ID_BYTES = 6;
const ID = /^[0-9a-f]{12}$/;

/**
 * Starts a command that outlives the caller: a session of its own, no terminal, input empty, output appended to a file by
 * descriptor. What it is and where it runs is on the disk before it starts, so that it is found again after a crash. Returns when
 * the command has taken over from what confines it.
 *
 * @throws {AuroraError} as `run` where it cannot be started or confined; then nothing is left of it
 */
export async function startBackground(options: BackgroundOptions): Promise<BackgroundRecord> {
  const { directory, owner, argv } = options;
  makeDirectory(directory, 0o700);
  forgetEnded(directory, owner);
  const id = randomHex(ID_BYTES);
  const record: BackgroundRecord = {
    id,
    owner,
    argv: [...argv],
    started_at: options.now.toISOString(),
    log_file: options.logFile(id),
    pid: null,
    start_time: null,
    boot_id: currentBootId(),
    starter: starterOf(process.pid),
  };
  // First: what has a record is found again and removed, wherever a crash comes.
  writeRecord(directory, record);
  try {
    const started = await startRecorded(record, options);
    try {
      writeRecord(directory, started);
    } catch (thrown) {
      await stopBackground(started, 0);
      throw thrown;
    }
    return started;
  } catch (thrown) {
    forget(directory, record);
    throw thrown;
  }
}

async function startRecorded(
  record: BackgroundRecord,
  { directory, argv, cwd, prepare, umask }: BackgroundOptions,
): Promise<BackgroundRecord> {
  const tmpDirectory = tmpOf(directory, record.id);
  makeDirectory(tmpDirectory, 0o700);
  const log = openLog(record.log_file);
  try {
    using launch = watchLaunch();
    const { env, confinement = unconfined, owner } = prepare(tmpDirectory);
    if (owner !== undefined) fchownSync(log, owner, owner);
    using confined = spawnConfined(
      {
        argv,
        cwd,
        env: { ...env, AURORA_BACKGROUND_ID: record.id },
        stdin: "ignore",
        stdout: log,
        stderr: log,
        newSession: true,
        ...(umask === undefined ? {} : { umask }),
      },
      confinement,
      launch.descriptor,
    );
    const { child } = confined;
    child.unref();
    // At once: a short command has gone when the launch has ended.
    const { starter: _, ...lasting } = record;
    const started = { ...lasting, pid: child.pid, start_time: readProcess(child.pid)?.startTime ?? null };
    await launch.ended();
    const failure = confined.failure();
    if (failure !== undefined) throw failure;
    return started;
  } finally {
    closeSync(log);
  }
}

/** A pipe that nobody writes to: its end says that all have closed it, as a start does at its execve(2). */
function watchLaunch() {
  const pipe = openPipe();
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(pipe.write);
    isOpen = false;
  };
  return {
    descriptor: pipe.write,
    async ended() {
      close();
      await Bun.file(pipe.read).bytes();
    },
    [Symbol.dispose]() {
      close();
      closeSync(pipe.read);
    },
  };
}

/** The records of an owner, oldest first. */
export function listBackground(directory: string, owner: string): BackgroundRecord[] {
  return namesIn(directory)
    .flatMap((name) => readRecord(directory, name) ?? [])
    .filter((record) => record.owner === owner)
    .sort((a, b) => (a.started_at < b.started_at ? -1 : 1));
}

/** The living processes of a command: the one that was started first, where it still runs. */
export function backgroundProcesses(record: BackgroundRecord): ProcessIdentity[] {
  if (record.boot_id !== currentBootId()) return [];
  const { pid, start_time: startTime, boot_id: bootId } = record;
  const isLeaderAlive = pid !== null && startTime !== null && isAlive({ pid, startTime, bootId });
  const found = findProcesses({
    environment: { AURORA_BACKGROUND_ID: record.id },
    // Without its leader, a session's number may belong to somebody else by now.
    ...(isLeaderAlive ? { session: pid, processGroup: pid } : {}),
  });
  return found.sort((a, b) => Number(b.pid === pid) - Number(a.pid === pid));
}

/** Whether nothing of a command runs, or is about to. */
export function hasEnded(record: BackgroundRecord): boolean {
  const { starter, boot_id: bootId } = record;
  if (starter && isAlive({ pid: starter.pid, startTime: starter.start_time, bootId })) return false;
  return backgroundProcesses(record).length === 0;
}

function starterOf(pid: number): BackgroundRecord["starter"] {
  const self = readProcess(pid);
  return self && { pid, start_time: self.startTime };
}

/** Ends a command with its whole tree; its record stays, as of one that has ended by itself. */
export async function stopBackground(record: BackgroundRecord, graceMs = STOP_GRACE_MS): Promise<StopResult> {
  return await stopTree(() => backgroundProcesses(record), { signal: "SIGTERM", timeoutMs: graceMs });
}

/** Ends all commands of an owner that is gone, and forgets them: nobody could list or end them any more. Their logs stay. */
export async function endBackgroundOf(directory: string, owner: string): Promise<void> {
  const records = listBackground(directory, owner);
  await Promise.all(records.map((record) => stopBackground(record)));
  for (const record of records) forgetRecord(directory, record);
}

/** One record by its id, or undefined. */
export function findBackground(directory: string, owner: string, id: string): BackgroundRecord | undefined {
  const record = ID.test(id) ? readRecord(directory, `${id}.json`) : undefined;
  return record?.owner === owner ? record : undefined;
}

/** Removes the scratch of what has ended, and the oldest records beyond the limit with their logs. */
function forgetEnded(directory: string, owner: string): void {
  const ended = listBackground(directory, owner).filter(hasEnded);
  for (const { id } of ended) removeTree(tmpOf(directory, id));
  for (const record of ended.slice(0, Math.max(0, ended.length - MAX_ENDED_RECORDS + 1)))
    forget(directory, record);
}

function forget(directory: string, record: BackgroundRecord): void {
  rmSync(record.log_file, { force: true });
  forgetRecord(directory, record);
}

function forgetRecord(directory: string, { id }: BackgroundRecord): void {
  removeTree(tmpOf(directory, id));
  removeName(`${directory}/${id}.json`);
}

function writeRecord(directory: string, record: BackgroundRecord): void {
  replaceFile(`${directory}/${record.id}.json`, `${JSON.stringify(record)}\n`, 0o600);
}

function readRecord(directory: string, name: string): BackgroundRecord | undefined {
  if (!ID.test(name.replace(/\.json$/, ""))) return undefined;
  try {
    return JSON.parse(readFileSync(`${directory}/${name}`, "utf8")) as BackgroundRecord;
  } catch {
    return undefined; // Removed meanwhile, or a directory.
  }
}

function tmpOf(directory: string, id: string): string {
  return `${directory}/${id}.tmp`;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
