import {
  type BigIntStats,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";

import { AuroraError, systemReason } from "../errors.ts";
import { type HomePaths } from "../system/home.ts";
import { ignoreOnlyGit } from "./ignore-rules.ts";
import { quote } from "./offenders.ts";
import { readPack } from "./read-pack.ts";
import { type ReadOptions } from "./tree-entry.ts";
import { linkTarget, readTreeRecord, type StoredEntry, type TreeRecord } from "./tree-record.ts";

export type TreeCheck = {
  ok: boolean;
  /** Whole sentences without a full stop, each with the path it is about. */
  problems: string[];
};

/** A tree that lost everything shows so many: they are for a person. */
export const MAX_PROBLEMS = 100;

/**
 * Checks a stored tree against its record: no name missing, none added, each of the type, mode, size and target it had.
 * Files whose inode or time are not those that were written are read again: a home that was moved to another disk is whole.
 *
 * @param full read all content again, and compute the digest anew
 * @throws {AuroraError} `interrupted`; whatever is wrong with the tree or its record is a problem, not an error
 */
export async function verifyTree(
  paths: HomePaths,
  digest: string,
  { full, ...options }: { full: boolean } & ReadOptions,
): Promise<TreeCheck> {
  const { check, record } = checkTree(paths, digest);
  if (!full || !check.ok || record === undefined) return check;
  return checkDigest(paths.tree(digest), record, options);
}

/** The fast check of `verifyTree`, at once. */
export function verifyTreeFast(paths: HomePaths, digest: string): TreeCheck {
  return checkTree(paths, digest).check;
}

function checkTree(paths: HomePaths, digest: string): { check: TreeCheck; record?: TreeRecord } {
  try {
    const record = readTreeRecord(paths, digest);
    const problems = compare(paths.tree(digest), record);
    return { check: { ok: problems.length === 0, problems }, record };
  } catch (thrown) {
    if (!(thrown instanceof AuroraError) || (thrown.code !== "not-found" && thrown.code !== "state-invalid"))
      throw thrown;
    return { check: { ok: false, problems: [thrown.message] } };
  }
}

async function checkDigest(tree: string, record: TreeRecord, options: ReadOptions): Promise<TreeCheck> {
  const problems: string[] = [];
  try {
    const { digest, entries } = await readPack(tree, ignoreOnlyGit, { ...options, leaveOut: record.links });
    const expected = new Map(record.entries.map(({ path, sha256 }) => [path, sha256]));
    for (const { path, sha256 } of entries)
      if (expected.get(path) !== sha256) problems.push(`${quote(path)} has other content`);
    if (digest !== record.digest && problems.length === 0) problems.push(`the tree's digest is ${digest}`);
  } catch (thrown) {
    if (!(thrown instanceof AuroraError) || thrown.code === "interrupted") throw thrown;
    problems.push(thrown.message, ...thrown.diagnostics.map(({ message }) => message));
  }
  return { ok: problems.length === 0, problems: shorten(problems) };
}

function compare(tree: string, record: TreeRecord): string[] {
  const problems: string[] = [];
  const missing = new Map(record.entries.map((entry) => [entry.path, entry]));
  const links = new Set(record.links);
  const top = lstatSync(tree, { throwIfNoEntry: false });
  if (top === undefined || !top.isDirectory()) return ["the tree is missing"];
  // Where the pack has a user of its own, its tree is closed to others at the top.
  if (![0o555, 0o550].includes(top.mode & 0o7777)) problems.push(`${quote(".")} has other permissions`);
  const waiting = [""];
  for (let parent = waiting.pop(); parent !== undefined; parent = waiting.pop()) {
    const shown = quote(parent === "" ? "." : parent);
    for (const name of namesIn(`${tree}/${parent}`, (reason) =>
      problems.push(`${shown} cannot be read: ${reason}`),
    )) {
      const path = parent === "" ? name : `${parent}/${name}`;
      const place = `${tree}/${path}`;
      if (links.delete(path)) {
        if (targetOf(place) !== linkTarget(path, record.pack_id))
          problems.push(`${quote(path)} is not the link that the store made`);
        continue;
      }
      const entry = missing.get(path);
      missing.delete(path);
      if (entry === undefined) problems.push(`${quote(path)} does not belong to the tree`);
      else {
        const problem = difference(place, entry);
        if (problem !== undefined) problems.push(`${quote(path)} ${problem}`);
        // One that may not be entered any more says why by itself.
        if (entry.type === "directory" && problem !== NO_DIRECTORY) waiting.push(path);
      }
    }
  }
  for (const path of [...missing.keys(), ...links]) problems.push(`${quote(path)} is missing`);
  return shorten(problems.toSorted());
}

/** No names, and the reason, for a directory that cannot be read. */
function namesIn(place: string, onFailure: (reason: string) => void): string[] {
  try {
    return readdirSync(place);
  } catch (thrown) {
    const reason = systemReason(thrown);
    if (reason === undefined) throw thrown;
    onFailure(reason);
    return [];
  }
}

const NO_DIRECTORY = "is no directory";

function difference(place: string, entry: StoredEntry): string | undefined {
  const stat = lstatSync(place, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return "is missing";
  if (entry.type === "symlink")
    return targetOf(place) === entry.target ? undefined : "is not the symlink that was stored";
  if (entry.type === "directory") {
    if (!stat.isDirectory()) return NO_DIRECTORY;
    return (stat.mode & 0o7777n) === 0o555n ? undefined : "has other permissions";
  }
  if (!stat.isFile()) return "is no regular file";
  if ((stat.mode & 0o7777n) !== BigInt(entry.mode & 0o555)) return "has other permissions";
  if (stat.nlink !== 1n) return "has another hard link";
  if (stat.size !== BigInt(entry.size_bytes)) return "has another size";
  return isSameFile(stat, entry) || hashOf(place) === entry.sha256 ? undefined : "has other content";
}

function isSameFile(stat: BigIntStats, { mtime_ns, inode }: StoredEntry): boolean {
  return String(stat.mtimeNs) === mtime_ns && String(stat.ino) === inode;
}

function targetOf(place: string): string | undefined {
  try {
    return readlinkSync(place);
  } catch (thrown) {
    if (systemReason(thrown) === undefined) throw thrown;
    return undefined;
  }
}

/** Undefined for a file that cannot be read. */
function hashOf(place: string): string | undefined {
  try {
    const descriptor = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const hasher = new Bun.CryptoHasher("sha256");
      const chunk = new Uint8Array(1024 ** 2);
      for (let count = -1; count !== 0; hasher.update(chunk.subarray(0, count)))
        count = readSync(descriptor, chunk, 0, chunk.length, null);
      return hasher.digest("hex");
    } finally {
      closeSync(descriptor);
    }
  } catch (thrown) {
    if (systemReason(thrown) === undefined) throw thrown;
    return undefined;
  }
}

function shorten(problems: string[]): string[] {
  if (problems.length <= MAX_PROBLEMS) return problems;
  return [...problems.slice(0, MAX_PROBLEMS), `and ${problems.length - MAX_PROBLEMS} more`];
}
