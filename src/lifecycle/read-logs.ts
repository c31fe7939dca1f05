import { closeSync, existsSync, readFileSync, statSync } from "node:fs";

import {
  KEPT_SERVICE_LOGS,
  type LogStream,
  serviceLogs,
  type TimeIndexEntry,
} from "../process/service-log.ts";
import { namesIn } from "../system/names-in.ts";
import { openRegular } from "../system/open-untrusted.ts";
import { type RawLine, readLines } from "./log-lines.ts";
import { mergeLogs } from "./merge-logs.ts";
import { KEPT_LOGS } from "./script-log.ts";

export type LogLine = { at: string; pack_id: string; source: string; stream: string; line: string };

/** Lines that are read from one file at most, so that a huge log cannot fill the memory. */
export const MAX_LINES = 100_000;

/** How far a log was read: for following it, also when it is put aside meanwhile. */
type LogPosition = {
  end: number;
  /** The file that was read, and the newest old one: they tell how often the log was put aside since. */
  inode: number | undefined;
  oldInode: number | undefined;
};
/** By the name of the log. */
export type LogPositions = Map<string, LogPosition>;

/**
 * The newest lines of a pack's logs, oldest first, those that were put aside included: those of its scripts, which carry their
 * time, and those of its service, whose time is that of the last note in the index before them. Lines of one file keep their
 * order.
 *
 * @param count how many lines in all
 * @param since RFC 3339; older lines are left out
 * @param positions where to go on from; it is brought up to date
 * @param isFollowed somebody will look again: a last line that has no end is left for then
 */
export function readLogs(
  logDirectory: string,
  packId: string,
  {
    count,
    since,
    positions,
    isFollowed = false,
  }: { count: number; since: string | undefined; positions: LogPositions; isFollowed?: boolean },
): LogLine[] {
  const limit = Math.min(count, MAX_LINES);
  const logs = logsIn(logDirectory).map((name) => {
    const known = positions.get(name);
    const log = { path: `${logDirectory}/${name}`, isService: name.startsWith("service.") };
    const read = known ? readFrom(log, known, limit) : readNewest(log, limit, !isFollowed);
    positions.set(name, read.position);
    return read.parts.flatMap((part) => linesOf(part, logDirectory, packId, name));
  });
  const wanted = since === undefined ? logs : logs.map((lines) => lines.filter(({ at }) => at >= since));
  return mergeLogs(wanted).slice(-limit);
}

const JOB_LOG = /^job-[a-z0-9][a-z0-9_-]*\.log$/;

/** How the log of a job is called, without its extension. Its lines have the source `job:<name>`. */
export function jobLogName(job: string): string {
  return `job-${job}`;
}

const OWN_LOGS = [
  "install.log",
  "start.log",
  "stop.log",
  "health.log",
  "test.log",
  "service.stdout.log",
  "service.stderr.log",
];

function logsIn(logDirectory: string): string[] {
  const present = namesIn(logDirectory);
  const jobs = present.filter((name) => JOB_LOG.test(name));
  return [...OWN_LOGS.filter((name) => present.includes(name)), ...jobs];
}

type Log = { path: string; isService: boolean };
/** Lines of one file: age 0 is the one that is written, 1 the newest of those that were put aside. */
type Part = { age: number; lines: RawLine[] };
type Read = { parts: Part[]; position: LogPosition };

const aged = ({ path }: Log, age: number) => (age === 0 ? path : `${path}.${age}`);
const inodeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.ino;
const keptOf = ({ isService }: Log) => (isService ? KEPT_SERVICE_LOGS : KEPT_LOGS);

function readNewest(log: Log, limit: number, withLast: boolean): Read {
  for (;;) {
    const inodes = { inode: inodeOf(log.path), oldInode: inodeOf(aged(log, 1)) };
    const newest = readLines(log.path, 0, limit, withLast);
    const parts: Part[] = [{ age: 0, lines: newest.lines }];
    let found = newest.lines.length;
    for (let age = 1; age <= keptOf(log) && found < limit; age++) {
      if (!existsSync(aged(log, age))) continue;
      const { lines } = readLines(aged(log, age), 0, limit - found, true);
      parts.unshift({ age, lines });
      found += lines.length;
    }
    // It was put aside meanwhile: some lines would come twice.
    if (inodeOf(aged(log, 1)) !== inodes.oldInode) continue;
    return { parts, position: { end: newest.end, ...inodes } };
  }
}

/** Goes on: first through what was put aside since, then through the log itself. */
function readFrom(log: Log, known: LogPosition, limit: number): Read {
  for (;;) {
    const inodes = { inode: inodeOf(log.path), oldInode: inodeOf(aged(log, 1)) };
    // Its old content is on its way to `.1`.
    if (existsSync(`${log.path}.full`)) return { parts: [], position: known };
    const times = timesPutAside(log, known, inodes.oldInode);
    const parts: Part[] = [];
    let from = known.end;
    for (let age = times; age >= 1; age--) {
      if (existsSync(aged(log, age)))
        parts.push({ age, lines: readLines(aged(log, age), from, limit, true).lines });
      from = 0;
    }
    // Somebody has emptied it.
    if (times === 0 && (statSync(log.path, { throwIfNoEntry: false })?.size ?? 0) < from) from = 0;
    const newest = readLines(log.path, from, limit, false);
    if (inodeOf(aged(log, 1)) !== inodes.oldInode) continue;
    parts.push({ age: 0, lines: newest.lines });
    return { parts, position: { end: newest.end, ...inodes } };
  }
}

/** What was the newest old log is so many places further on, or gone. */
function timesPutAside(log: Log, known: LogPosition, oldInode: number | undefined): number {
  if (oldInode === known.oldInode) return 0;
  for (let age = 2; age <= keptOf(log); age++)
    if (inodeOf(aged(log, age)) === known.oldInode && known.oldInode !== undefined) return age - 1;
  const kept = Array.from({ length: keptOf(log) }, (_, index) => index + 1);
  const present = kept.filter((age) => existsSync(aged(log, age))).length;
  // A script's log is renamed, so that the file that was read is found again itself.
  const itself = kept.find((age) => inodeOf(aged(log, age)) === known.inode);
  return itself ?? present;
}

function linesOf(part: Part, logDirectory: string, packId: string, name: string): LogLine[] {
  const [file = "", stream = ""] = name.split(".");
  const source = JOB_LOG.test(name) ? file.replace("-", ":") : file;
  if (source !== "service") return part.lines.map(({ text }) => parseScriptLine(packId, source, text));
  const index = part.lines.length === 0 ? [] : readIndex(logDirectory, part.age);
  return part.lines.map(({ offset, text }) => ({
    at: timeOf(index, stream as LogStream, offset),
    pack_id: packId,
    source,
    stream,
    line: text,
  }));
}

/** `TIME STREAM TEXT`, as the script log writes it. */
function parseScriptLine(packId: string, source: string, text: string): LogLine {
  const match = /^(\S+) (stdout|stderr) (.*)$/s.exec(text);
  return match
    ? {
        at: match[1] as string,
        pack_id: packId,
        source,
        stream: match[2] as string,
        line: match[3] as string,
      }
    : { at: "", pack_id: packId, source, stream: "stdout", line: text };
}

function readIndex(logDirectory: string, age: number): TimeIndexEntry[] {
  const { index } = serviceLogs(logDirectory);
  const descriptor = openRegular(age === 0 ? index : `${index}.${age}`);
  if (descriptor === undefined) return [];
  try {
    return readFileSync(descriptor, "utf8").split("\n").flatMap(parseEntry);
  } finally {
    closeSync(descriptor);
  }
}

/** A crash may have torn the last line, and the pack may have written anything. */
function parseEntry(line: string): TimeIndexEntry[] {
  try {
    const { at, stdout, stderr } = JSON.parse(line) as Partial<TimeIndexEntry>;
    return typeof at === "string" && typeof stdout === "number" && typeof stderr === "number"
      ? [{ at, stdout, stderr }]
      : [];
  } catch {
    return [];
  }
}

/** The last note at or before a place, by halving: the sizes in an index only grow. */
function timeOf(index: readonly TimeIndexEntry[], stream: LogStream, offset: number): string {
  let [low, high] = [0, index.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((index[middle] as TimeIndexEntry)[stream] <= offset) low = middle + 1;
    else high = middle;
  }
  return (index[low - 1] ?? index[0])?.at ?? "";
}
