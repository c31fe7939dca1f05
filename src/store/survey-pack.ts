import { accessSync, type BigIntStats, constants, lstatSync, readdirSync, readlinkSync } from "node:fs";

import { AuroraError, systemReason } from "../errors.ts";
import { compileEarly } from "../system/jit-policy.ts";
import { type IgnoreRules } from "./ignore-rules.ts";
import { linkProblem } from "./link-target.ts";
import { changedWhileRead, type Offender, quote, refuseOffenders } from "./offenders.ts";
import { type Pause } from "./pause.ts";
import { type TreeEntry } from "./tree-entry.ts";
import { fitsUstar, MAX_FILE_BYTES, MAX_TARGET_BYTES } from "./ustar.ts";

/** From so many names on, what is done for each of them is done often enough to be worth compiling. */
const COMPILE_FROM_ENTRIES = 500;
/** More names than any pack needs; each costs about 1 KiB of memory while it is read. */
const MAX_ENTRIES = 1_000_000;

/** What the survey saw of a name. Its content has not been read. */
export type SurveyedEntry = Omit<TreeEntry, "sha256"> & { name: string; stat: BigIntStats };
export type SurveyedDirectory = SurveyedEntry & {
  type: "directory";
  children: (SurveyedEntry | SurveyedDirectory)[];
};

export type Survey = {
  directory: string;
  /** The pack itself, path "". */
  root: SurveyedDirectory;
  /** Names below the root. */
  entries: number;
  files: number;
  /** The content of all files. */
  bytes: number;
};

/**
 * Looks at every name of a pack without reading any content: what there is, in the order of the digest, and that a pack
 * may hold it. Names that are no UTF-8 are refused, since neither a manifest nor JSON can hold them.
 *
 * @param directory an existing directory; a symlink to one is followed
 * @param leaveOut names at the top that are not part of the pack
 * @throws {AuroraError} `pack-invalid` with all that may not be in a pack, `too-large` beyond `maxEntries` names
 */
export async function surveyPack(
  directory: string,
  isIgnored: IgnoreRules,
  pause: Pause,
  { leaveOut = [], maxEntries = MAX_ENTRIES }: { leaveOut?: readonly string[]; maxEntries?: number } = {},
): Promise<Survey> {
  const offenders: Offender[] = [];
  const byPath = new Map<string, SurveyedEntry>();
  const linked = new Map<string, SurveyedEntry[]>();
  const canReadAll = process.getuid?.() === 0;
  let bytes = 0;
  let files = 0;

  const stat = lstatSync(`${directory}/.`, { bigint: true });
  const root: SurveyedDirectory = { ...describe("", "", "directory", stat), type: "directory", children: [] };
  if ((stat.mode & SET_ID_BITS) !== 0n) offenders.push({ path: ".", ...setIdDirectory });
  const waiting = [root];
  for (let parent = waiting.pop(); parent !== undefined; parent = waiting.pop()) {
    for (const name of namesIn(directory, parent.path, offenders)) {
      if (parent === root && leaveOut.includes(name)) continue;
      const path = parent === root ? name : `${parent.path}/${name}`;
      const stat = lstatSync(`${directory}/${path}`, { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) throw changedWhileRead(directory, path);
      if (isIgnored(path, name, stat.isDirectory())) continue;
      if (byPath.size >= maxEntries)
        throw new AuroraError(
          "too-large",
          `cannot read the pack "${directory}": it holds more than ${maxEntries} names`,
          {
            hint: "name what does not belong to the pack in .auroraignore",
          },
        );
      const type = typeOf(stat);
      if (type === undefined) {
        offenders.push({ path, problem: `is ${kindOf(stat)}`, hint: ignoreHint });
        continue;
      }
      const entry = describe(path, name, type, stat);
      const problem = faultOf(entry, `${directory}/${path}`, canReadAll);
      if (problem) offenders.push({ path, ...problem });
      byPath.set(path, entry);
      if (byPath.size === COMPILE_FROM_ENTRIES) compileEarly();
      parent.children.push(entry);
      if (type === "file") {
        files++;
        bytes += entry.size_bytes;
        if (stat.nlink > 1n) append(linked, `${stat.dev}:${stat.ino}`, entry);
      }
      // What lies below a path that is too long is too long as well, and could be nested without end.
      if (type === "directory" && (problem === undefined || problem === setIdDirectory)) {
        const child = Object.assign(entry, { children: [] }) as unknown as SurveyedDirectory;
        waiting.push(child);
      }
      if (pause.isDue()) await pause.take();
    }
  }
  offenders.push(...linksOut(byPath), ...sharedFiles(linked));
  refuseOffenders(
    directory,
    offenders.toSorted((a, b) => compareNames(a.path, b.path)),
  );
  return { directory, root, entries: byPath.size, files, bytes };
}

/** The names of one directory that belong to the pack, again: to notice what came or went while the pack was read. */
export function surveyedNames(
  directory: string,
  parent: SurveyedDirectory,
  isIgnored: IgnoreRules,
  leaveOut: readonly string[],
): string[] {
  return namesIn(directory, parent.path, []).filter((name) => {
    if (parent.path === "" && leaveOut.includes(name)) return false;
    const path = parent.path === "" ? name : `${parent.path}/${name}`;
    const stat = lstatSync(`${directory}/${path}`, { throwIfNoEntry: false });
    return stat !== undefined && !isIgnored(path, name, stat.isDirectory());
  });
}

/** Byte order, as `LC_ALL=C` sorts: UTF-16 order differs from it beyond U+FFFF. */
function compareNames(a: string, b: string): number {
  if (ASCII.test(a) && ASCII.test(b)) return a < b ? -1 : a > b ? 1 : 0;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
const ASCII = /^[\0-\u007f]*$/;

function namesIn(directory: string, path: string, offenders: Offender[]): string[] {
  const names: string[] = [];
  const place = path === "" ? directory : `${directory}/${path}`;
  let raw: Buffer[];
  try {
    raw = readdirSync(place, { encoding: "buffer" }) as Buffer[];
  } catch (thrown) {
    const reason = systemReason(thrown);
    const { code } = thrown as NodeJS.ErrnoException;
    if (reason === undefined) throw thrown;
    if (code === "ENOENT" || code === "ENOTDIR") throw changedWhileRead(directory, path);
    offenders.push({
      path: path === "" ? "." : path,
      problem: `cannot be read: ${reason}`,
      hint: readableHint,
    });
    return [];
  }
  let isPlain = true;
  for (const bytes of raw) {
    const name = bytes.toString("utf8");
    // What is no UTF-8 becomes a character that is not ASCII either.
    const isAscii = name.length === bytes.length && ASCII.test(name);
    isPlain &&= isAscii;
    if (isAscii || Buffer.from(name).equals(bytes)) names.push(name);
    else
      offenders.push({
        path: path === "" ? name : `${path}/${name}`,
        problem: "has a name that is not UTF-8",
        hint: "rename it, or name it in .auroraignore by its directory",
      });
  }
  // Where all names are ASCII, the engine's own order is that of bytes: 5 of 45 ms for a survey of 10,000.
  return isPlain ? names.sort() : names.sort(compareNames);
}

function describe(path: string, name: string, type: TreeEntry["type"], stat: BigIntStats): SurveyedEntry {
  const isExecutable = type === "directory" || (stat.mode & 0o111n) !== 0n;
  return {
    path,
    name,
    type,
    mode: type === "symlink" ? 0o777 : isExecutable ? 0o755 : 0o644,
    size_bytes: type === "file" ? Number(stat.size) : 0,
    target: null,
    stat,
  };
}

type Fault = { problem: string; hint: string };
const SET_ID_BITS = 0o6000n;
const ignoreHint = "remove it, or name it in .auroraignore";
const readableHint = "make it readable for this user, or name it in .auroraignore";
const tooLong: Fault = {
  problem: "has a path that is too long for the tar format",
  hint: "a path may have 255 bytes: at most 154 up to a slash, and 100 behind it",
};
/** GNU tar's `--mode=u=rwX` keeps these bits of directories, and of nothing else: the stored tree would differ. */
const setIdDirectory: Fault = {
  problem: "is a directory with the set-group-ID or set-user-ID bit",
  hint: "chmod ug-s on it",
};

/** What is wrong with an entry by itself. Reads a symlink's target into it. */
function faultOf(entry: SurveyedEntry, place: string, canReadAll: boolean): Fault | undefined {
  if (!fitsUstar(entry.path, entry.type === "directory")) return tooLong;
  if (entry.type === "symlink") return readTarget(entry, place);
  if (!canReadAll && !isReadable(place, entry.type === "directory"))
    return { problem: "cannot be read: permission denied", hint: readableHint };
  if (entry.type === "directory") return (entry.stat.mode & SET_ID_BITS) === 0n ? undefined : setIdDirectory;
  return entry.size_bytes <= MAX_FILE_BYTES
    ? undefined
    : {
        problem: "is larger than 8 GiB, the limit of the tar format",
        hint: "split it, or name it in .auroraignore",
      };
}

function readTarget(entry: SurveyedEntry, place: string): Fault | undefined {
  const bytes = readlinkSync(place, { encoding: "buffer" });
  entry.target = bytes.toString("utf8");
  if (!Buffer.from(entry.target).equals(bytes))
    return { problem: "is a symlink whose target is not UTF-8", hint: ignoreHint };
  if (bytes.length > MAX_TARGET_BYTES)
    return {
      problem: `is a symlink whose target has ${bytes.length} bytes: the tar format holds ${MAX_TARGET_BYTES}`,
      hint: "point it at a shorter path",
    };
  return undefined;
}

function* linksOut(byPath: ReadonlyMap<string, SurveyedEntry>): Generator<Offender> {
  for (const { path, target } of byPath.values()) {
    if (target === null) continue;
    const problem = linkProblem(path, target, (other) => byPath.get(other));
    if (problem)
      yield {
        path,
        problem: `${problem}: ${quote(target)}`,
        hint: "point it at a file of the pack, by a relative path",
      };
  }
}

/** A file that also has a name outside could be changed from there; and it may be a link to what is not the pack's. */
function* sharedFiles(linked: ReadonlyMap<string, SurveyedEntry[]>): Generator<Offender> {
  for (const names of linked.values())
    for (const { path, stat } of names)
      if (stat.nlink > BigInt(names.length))
        yield {
          path,
          problem: `has ${stat.nlink} hard links, and ${names.length} of them in the pack`,
          hint: "put a copy in its place: cp -p it to a new name, and mv that over it",
        };
}

function typeOf(stat: BigIntStats): TreeEntry["type"] | undefined {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  return stat.isSymbolicLink() ? "symlink" : undefined;
}

function kindOf(stat: BigIntStats): string {
  if (stat.isFIFO()) return "a fifo";
  return stat.isSocket() ? "a socket" : "a device";
}

function isReadable(place: string, isDirectory: boolean): boolean {
  try {
    accessSync(place, isDirectory ? constants.R_OK | constants.X_OK : constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
