import { lstatSync, readdirSync, readFileSync } from "node:fs";

import { AuroraError, toAuroraError } from "../errors.ts";
import { type HomePaths } from "../system/home.ts";
import { type TreeEntry } from "./tree-entry.ts";

/** An entry of a stored tree, with what tells cheaply that a file is still the one that was written. */
export type StoredEntry = TreeEntry & {
  /** Nanoseconds since 1970, as text since it exceeds 2^53; null for what is no file. */
  mtime_ns: string | null;
  inode: string | null;
};

/** What the store knows of a tree beside its bytes. */
export type TreeRecord = {
  digest: string;
  pack_id: string;
  /** The manifest as it was validated when the tree was staged. */
  manifest: unknown;
  files: number;
  bytes: number;
  /** Which of `logs` and `data` are links that the store added. */
  links: string[];
  /** Read from a file of its own at each access: it may be megabytes. Throws `state-invalid`. */
  readonly entries: StoredEntry[];
};

export const LINK_NAMES = ["logs", "data"] as const;

/** Where an added link points: relative, so that a home may be moved. */
export function linkTarget(name: string, packId: string): string {
  return `../../${name}/${packId}`;
}

/** The two files beside a tree: a summary, and the list of what is in it. */
export function recordPaths(paths: HomePaths, digest: string): { summary: string; entries: string } {
  const tree = paths.tree(digest);
  return { summary: `${tree}.json`, entries: `${tree}.entries.json` };
}

/** A JSON document with its own checksum, so that a flipped bit is an error and not another value. */
export function encodeChecked(value: unknown): string {
  const body = JSON.stringify(value);
  return `{"sha256":"${Bun.CryptoHasher.hash("sha256", body, "hex")}","record":${body}}\n`;
}

const HEAD = /^\{"sha256":"([0-9a-f]{64})","record":/;

/** Reads what `encodeChecked` wrote. Returns undefined for anything else. */
export function decodeChecked(text: string): unknown {
  const head = HEAD.exec(text);
  if (!head || !text.endsWith("}\n")) return undefined;
  const body = text.slice(head[0].length, -2);
  return Bun.CryptoHasher.hash("sha256", body, "hex") === head[1] ? (JSON.parse(body) as unknown) : undefined;
}

/**
 * Reads the record of a stored tree.
 *
 * @throws {AuroraError} `not-found` where the store does not hold the tree, `state-invalid` where the record is damaged
 */
export function readTreeRecord(paths: HomePaths, digest: string): TreeRecord {
  const { summary, entries } = recordPaths(paths, digest);
  const record = readChecked(summary, digest) as Omit<TreeRecord, "entries">;
  if (record.digest !== digest) throw damaged(summary);
  return {
    ...record,
    get entries() {
      return readChecked(entries, digest) as StoredEntry[];
    },
  };
}

/** Whether the store holds a tree, whole and with its record. Its bytes are not looked at. */
export function hasTree(paths: HomePaths, digest: string): boolean {
  const { summary, entries } = recordPaths(paths, digest);
  return exists(paths.tree(digest)) && exists(summary) && exists(entries);
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** The digests of all stored trees, sorted. */
export function listTrees(paths: HomePaths): string[] {
  return storeNames(paths)
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .map((hex) => `sha256:${hex}`)
    .filter((digest) => hasTree(paths, digest));
}

/** All names in the store, sorted; none where there is no store yet. */
export function storeNames(paths: HomePaths): string[] {
  try {
    return readdirSync(paths.store).toSorted();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw toAuroraError(thrown);
  }
}

function readChecked(path: string, digest: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw toAuroraError(thrown);
    throw new AuroraError("not-found", `cannot find the tree ${digest} in the store`, {
      hint: "stage the pack again: aurora stage SRC",
    });
  }
  const value = decodeChecked(text);
  if (value === undefined) throw damaged(path);
  return value;
}

function damaged(path: string): AuroraError {
  return new AuroraError("state-invalid", `cannot read "${path}": it is damaged`, {
    hint: "stage the pack again: aurora stage SRC writes the record anew",
  });
}
