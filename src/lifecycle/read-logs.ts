import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";

import { serviceLogs, type TimeIndexEntry } from "./service-log.ts";

export type LogLine = { at: string; pack_id: string; source: string; stream: string; line: string };

/** Lines that are read from one file at most, so that a huge log cannot fill the memory. */
export const MAX_LINES = 100_000;
const BLOCK_BYTES = 64 * 1024;
/** A line beyond this is shown cut, with a mark. */
export const MAX_SHOWN_LINE_BYTES = 64 * 1024;

const JOB_LOG = /^job-[a-z0-9][a-z0-9_-]*\.log$/;

/** How the log of a job is called, without its extension. Its lines have the source `job:<name>`. */
export function jobLogName(job: string): string {
  return `job-${job}`;
}

/** How far each log was read: for following. */
export type LogPositions = Map<string, number>;

/**
 * The newest lines of a pack's logs, oldest first: those of its scripts, which carry their time, and those of its service,
 * whose time is that of the last note in the index before them. Lines of one file keep their order.
 *
 * @param count how many lines in all
 * @param since RFC 3339; older lines are left out
 * @param positions where to go on from; it is brought up to date
 */
export function readLogs(
  logDirectory: string,
  packId: string,
  { count, since, positions }: { count: number; since: string | undefined; positions: LogPositions },
): LogLine[] {
  const limit = Math.min(count, MAX_LINES);
  const lines = logFiles(logDirectory).flatMap((file) =>
    readOne(logDirectory, packId, file, limit, positions),
  );
  const wanted = since === undefined ? lines : lines.filter(({ at }) => at >= since);
  // Sorting by time is stable, so lines of one file stay in order.
  return wanted.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)).slice(-limit);
}

function logFiles(logDirectory: string): string[] {
  const own = [
    "install.log",
    "start.log",
    "stop.log",
    "health.log",
    "test.log",
    "service.stdout.log",
    "service.stderr.log",
  ];
  const present = existsSync(logDirectory) ? readdirSync(logDirectory) : [];
  const jobs = present.filter((name) => JOB_LOG.test(name)).toSorted();
  return [...own.filter((name) => present.includes(name)), ...jobs];
}

function readOne(
  logDirectory: string,
  packId: string,
  name: string,
  limit: number,
  positions: LogPositions,
): LogLine[] {
  const path = `${logDirectory}/${name}`;
  const descriptor = openSync(path, "r");
  try {
    const { size } = fstatSync(descriptor);
    const known = positions.get(name);
    const from = known === undefined || known > size ? undefined : known;
    const raw = from === undefined ? tailLines(descriptor, size, limit) : linesFrom(descriptor, from, size);
    // A last line without its end is left for the next look while following.
    positions.set(name, raw.end);
    const [file = "", stream = ""] = name.split(".");
    const source = JOB_LOG.test(name) ? file.replace("-", ":") : file;
    if (source !== "service") return raw.lines.map(({ text }) => parseScriptLine(packId, source, text));
    const index = readIndex(logDirectory);
    return raw.lines.map(({ offset, text }) => ({
      at: timeOf(index, stream === "stdout" ? "stdout" : "stderr", offset),
      pack_id: packId,
      source,
      stream,
      line: text,
    }));
  } finally {
    closeSync(descriptor);
  }
}

type RawLines = { lines: { offset: number; text: string }[]; end: number };

/** The last lines of a file, read backwards in blocks until there are enough. */
function tailLines(descriptor: number, size: number, limit: number): RawLines {
  let start = size;
  let newlines = 0;
  const blocks: Buffer[] = [];
  while (start > 0 && newlines <= limit) {
    const length = Math.min(BLOCK_BYTES, start);
    start -= length;
    const block = Buffer.alloc(length);
    readSync(descriptor, block, 0, length, start);
    for (const byte of block) if (byte === 0x0a) newlines++;
    blocks.unshift(block);
  }
  const raw = splitLines(Buffer.concat(blocks), start, start === 0, true);
  return { lines: raw.lines.slice(-limit), end: raw.end };
}

function linesFrom(descriptor: number, from: number, size: number): RawLines {
  const bytes = Buffer.alloc(Math.min(size - from, BLOCK_BYTES * 64));
  const length = readSync(descriptor, bytes, 0, bytes.length, from);
  return splitLines(bytes.subarray(0, length), from, true, false);
}

/**
 * @param isWhole whether the first byte begins a line; else the first, partial line is dropped
 * @param withLast whether a last line that has no end counts
 */
function splitLines(bytes: Buffer, offset: number, isWhole: boolean, withLast: boolean): RawLines {
  const decoder = new TextDecoder();
  const lines: RawLines["lines"] = [];
  let position = isWhole ? 0 : bytes.indexOf(0x0a) + 1;
  for (;;) {
    const end = bytes.indexOf(0x0a, position);
    if (end === -1) break;
    lines.push({ offset: offset + position, text: decoder.decode(cut(bytes.subarray(position, end))) });
    position = end + 1;
  }
  if (withLast && position < bytes.length)
    lines.push({ offset: offset + position, text: decoder.decode(cut(bytes.subarray(position))) });
  return { lines, end: offset + (withLast ? bytes.length : position) };
}

function cut(line: Buffer): Buffer {
  return line.length <= MAX_SHOWN_LINE_BYTES
    ? line
    : Buffer.concat([line.subarray(0, MAX_SHOWN_LINE_BYTES), Buffer.from("…")]);
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

function readIndex(logDirectory: string): TimeIndexEntry[] {
  const { index } = serviceLogs(logDirectory);
  if (!existsSync(index)) return [];
  return readFileSync(index, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as TimeIndexEntry];
      } catch {
        return []; // A crash may have torn the last line.
      }
    });
}

function timeOf(index: readonly TimeIndexEntry[], stream: "stdout" | "stderr", offset: number): string {
  return (index.findLast((entry) => entry[stream] <= offset) ?? index[0])?.at ?? "";
}
