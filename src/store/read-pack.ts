import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

import { toAuroraError } from "../errors.ts";
import { openAt, readLinkAt } from "../system/open-at.ts";
import { CHUNK_BYTES } from "./copy-ring.ts";
import { type IgnoreRules } from "./ignore-rules.ts";
import { changedWhileRead } from "./offenders.ts";
import { createPause, type Pause } from "./pause.ts";
import {
  type Survey,
  type SurveyedDirectory,
  type SurveyedEntry,
  surveyedNames,
  surveyPack,
} from "./survey-pack.ts";
import { type ReadOptions, type ScannedTree, type TreeEntry } from "./tree-entry.ts";
import { createUstarHash, type UstarHash } from "./ustar-hash.ts";

/** What is done with a pack beside hashing it. Called in the order of the digest; `path` is "" for the pack itself. */
export type PackSink = {
  openDirectory: (path: string) => void;
  /** After everything in it. */
  closeDirectory: (path: string) => void;
  symlink: (path: string, target: string) => void;
  openFile: (entry: Pick<TreeEntry, "path" | "mode" | "size_bytes">) => void;
  /** Where the next bytes of the file are to be read to; without it, anywhere. */
  claim?: () => Uint8Array;
  /** The bytes are valid only during the call; where there is `claim`, they are what it returned last. */
  write: (bytes: Uint8Array) => void;
  closeFile: () => void;
  /**
   * For a sink that hashes the large files itself: waits until it has done all, and returns the SHA-256 of each file in the order
   * of the digest, null for one that came as a whole in one `write`.
   */
  finish?: () => (string | null)[];
};

/** Chooses the sink when it is known what the pack holds; undefined only hashes. */
export type SinkFor = (survey: Survey) => PackSink | undefined;

type Reading = {
  survey: Survey;
  isIgnored: IgnoreRules;
  leaveOut: readonly string[];
  pause: Pause;
  hash: UstarHash;
  sink: PackSink | undefined;
  entries: TreeEntry[];
  doneBytes: number;
};

/**
 * Reads a whole pack once: checks that it may be one, computes its digest, and hands what it reads to a sink.
 *
 * The content is read below the open directory itself, name by name and never through a symlink, so whoever can rename
 * files in the pack meanwhile cannot make this read anything else. What differs from the survey is an error.
 *
 * @throws {AuroraError} `pack-invalid` for what may not be in a pack and for one that changes meanwhile, `interrupted`
 */
export async function readPack(
  directory: string,
  isIgnored: IgnoreRules,
  options: ReadOptions & { sinkFor?: SinkFor; leaveOut?: readonly string[] } = {},
): Promise<ScannedTree> {
  const { signal, onProgress, sinkFor, leaveOut = [] } = options;
  let reading: Reading | undefined;
  const pause = createPause(signal, () => reading && onProgress?.(reading.doneBytes, reading.survey.bytes));
  try {
    const survey = await surveyPack(directory, isIgnored, pause, { leaveOut });
    const sink = sinkFor?.(survey);
    reading = {
      survey,
      isIgnored,
      leaveOut,
      pause,
      hash: createUstarHash(),
      sink,
      entries: [],
      doneBytes: 0,
    };
    const top = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      if (!isSame(fstatSync(top, { bigint: true }), survey.root.stat)) throw changedWhileRead(directory, "");
      await readDirectory(reading, survey.root, top);
    } finally {
      closeSync(top);
    }
  } catch (thrown) {
    throw toAuroraError(thrown);
  }
  const { hash, entries, doneBytes, sink } = reading;
  const sums = sink?.finish?.();
  if (sums) {
    let file = 0;
    for (const entry of entries) if (entry.type === "file") entry.sha256 = sums[file++] ?? entry.sha256;
  }
  onProgress?.(doneBytes, doneBytes);
  const files = entries.reduce((count, { type }) => (type === "file" ? count + 1 : count), 0);
  return { digest: hash.digest(), files, bytes: doneBytes, entries };
}

async function readDirectory(
  reading: Reading,
  directory: SurveyedDirectory,
  descriptor: number,
): Promise<void> {
  const { hash, sink, entries, pause } = reading;
  hash.entry(directory);
  sink?.openDirectory(directory.path);
  for (const child of directory.children) {
    if ("children" in child) {
      entries.push(toEntry(child, null));
      const opened = open(reading, child, descriptor, "directory");
      try {
        await readDirectory(reading, child, opened);
      } finally {
        closeSync(opened);
      }
    } else if (child.type === "symlink") {
      readSymlink(reading, child, descriptor);
    } else {
      const opened = open(reading, child, descriptor, "file");
      try {
        if (child.size_bytes <= CHUNK_BYTES) readSmallFile(reading, child, opened);
        else await readLargeFile(reading, child, opened);
      } finally {
        closeSync(opened);
      }
    }
    if (pause.isDue()) await pause.take();
  }
  checkNames(reading, directory, descriptor);
  sink?.closeDirectory(directory.path);
}

function open({ survey }: Reading, entry: SurveyedEntry, parent: number, kind: "file" | "directory"): number {
  let descriptor: number;
  try {
    descriptor = openAt(parent, entry.name, kind);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR" || code === "ENXIO")
      throw changedWhileRead(survey.directory, entry.path);
    (thrown as NodeJS.ErrnoException).path = `${survey.directory}/${entry.path}`;
    throw thrown;
  }
  if (isSame(fstatSync(descriptor, { bigint: true }), entry.stat)) return descriptor;
  closeSync(descriptor);
  throw changedWhileRead(survey.directory, entry.path);
}

function readSymlink({ survey, hash, sink, entries }: Reading, entry: SurveyedEntry, parent: number): void {
  const target = entry.target as string;
  let now: string | undefined;
  try {
    now = readLinkAt(parent, entry.name).toString("utf8");
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EINVAL") throw thrown;
  }
  if (now !== target) throw changedWhileRead(survey.directory, entry.path);
  hash.entry(entry);
  sink?.symlink(entry.path, target);
  entries.push(toEntry(entry, null));
}

// Not filled with zeros: most files are smaller.
const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);

/** In one step, and so without a pause: most files of most packs. */
function readSmallFile(reading: Reading, entry: SurveyedEntry, descriptor: number): void {
  reading.hash.entry(entry);
  reading.sink?.openFile(entry);
  const bytes = readStep(reading, entry, descriptor, entry.size_bytes);
  endFile(reading, entry, descriptor, Bun.CryptoHasher.hash("sha256", bytes, "hex"));
}

async function readLargeFile(reading: Reading, entry: SurveyedEntry, descriptor: number): Promise<void> {
  const { hash, sink, pause } = reading;
  hash.entry(entry);
  sink?.openFile(entry);
  const hasher = sink?.finish ? undefined : new Bun.CryptoHasher("sha256");
  for (let left = entry.size_bytes; left > 0;) {
    const bytes = readStep(reading, entry, descriptor, left);
    left -= bytes.length;
    hasher?.update(bytes);
    if (left > 0 && pause.isDue()) await pause.take();
  }
  endFile(reading, entry, descriptor, hasher?.digest("hex") ?? null);
}

/** The next bytes of a file: all that are left of it, or as many as are taken in one step. */
function readStep(reading: Reading, { path }: SurveyedEntry, descriptor: number, left: number): Uint8Array {
  const { survey, hash, sink } = reading;
  const buffer = sink?.claim?.() ?? chunk;
  const wanted = Math.min(left, CHUNK_BYTES);
  const length = readChunk(descriptor, buffer, wanted);
  if (length < wanted) throw changedWhileRead(survey.directory, path);
  const bytes = buffer.subarray(0, length);
  reading.doneBytes += length;
  hash.content(bytes);
  if (length > 0) sink?.write(bytes);
  return bytes;
}

function endFile(reading: Reading, entry: SurveyedEntry, descriptor: number, sha256: string | null): void {
  if (!isUntouched(fstatSync(descriptor, { bigint: true }), entry.stat))
    throw changedWhileRead(reading.survey.directory, entry.path);
  reading.sink?.closeFile();
  reading.entries.push(toEntry(entry, sha256));
}

/** Fills the buffer up to `wanted` bytes, or to the end of the file. */
function readChunk(descriptor: number, buffer: Uint8Array, wanted: number): number {
  let length = 0;
  while (length < wanted) {
    const count = readSync(descriptor, buffer, length, wanted - length, null);
    if (count === 0) break;
    length += count;
  }
  return length;
}

/** A directory whose time changed may only have got an ignored name; what belongs to the pack must be what it was. */
function checkNames(reading: Reading, directory: SurveyedDirectory, descriptor: number): void {
  const { survey, isIgnored, leaveOut } = reading;
  if (isUntouched(fstatSync(descriptor, { bigint: true }), directory.stat)) return;
  const names = surveyedNames(survey.directory, directory, isIgnored, leaveOut);
  if (
    names.length !== directory.children.length ||
    names.some((name, i) => name !== directory.children[i]?.name)
  )
    throw changedWhileRead(survey.directory, directory.path);
}

function isSame(now: BigIntStats, before: BigIntStats): boolean {
  return (
    now.ino === before.ino && now.dev === before.dev && now.mode === before.mode && isSameFile(now, before)
  );
}

function isSameFile(now: BigIntStats, before: BigIntStats): boolean {
  return (
    now.isDirectory() ||
    (now.size === before.size && now.mtimeNs === before.mtimeNs && now.nlink === before.nlink)
  );
}

function isUntouched(now: BigIntStats, before: BigIntStats): boolean {
  return now.size === before.size && now.mtimeNs === before.mtimeNs && now.ctimeNs === before.ctimeNs;
}

function toEntry({ path, type, mode, size_bytes, target }: SurveyedEntry, sha256: string | null): TreeEntry {
  return { path, type, mode, size_bytes, sha256, target };
}
