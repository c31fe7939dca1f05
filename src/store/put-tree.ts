import { lstatSync } from "node:fs";
import { availableParallelism } from "node:os";

import { AuroraError, toAuroraError } from "../errors.ts";
import { chmodSync, renameSync, symlinkSync } from "../system/changes.ts";
import { createUnflushed, syncDirectory } from "../system/durable.ts";
import { exchange } from "../system/exchange.ts";
import { type HomePaths } from "../system/home.ts";
import { createScratch } from "../system/scratch.ts";
import { type CopySink, createCopySink, type FileIdentity } from "./copy-sink.ts";
import { readIgnoreRules } from "./ignore-rules.ts";
import { createParallelCopySink } from "./parallel-copy-sink.ts";
import { readPack } from "./read-pack.ts";
import { type Survey } from "./survey-pack.ts";
import { type ReadOptions, type ScannedTree } from "./tree-entry.ts";
import {
  encodeChecked,
  hasTree,
  LINK_NAMES,
  linkTarget,
  listTrees,
  readTreeRecord,
  recordPaths,
  type StoredEntry,
} from "./tree-record.ts";
import { verifyTree } from "./verify-tree.ts";

/** From either on, a pack is copied by a second thread. */
const PARALLEL_FROM_FILES = 1000;
const PARALLEL_FROM_BYTES = 32 * 1024 ** 2;

export type StagedTree = {
  digest: string;
  files: number;
  bytes: number;
  /** The store held this very tree already. */
  reused: boolean;
};

/**
 * Validates the copy that is about to be stored, and says what it is. What it throws ends the staging, and nothing is left.
 *
 * @param copy a directory with exactly what will be stored, or what is: then with the links that the store added
 */
export type DescribeTree = (copy: string, tree: ScannedTree) => Described | Promise<Described>;
type Described = { pack_id: string; manifest: unknown };

/**
 * Puts a pack into the store: copied and hashed in one pass, validated, read-only, durable, and only then named. A crash at
 * any point leaves either nothing in the store or the whole tree; what it leaves in `tmp/` is swept by recovery.
 *
 * A tree that is there already is checked and reused. One that is damaged is replaced, by one exchange of names.
 *
 * @param paths of a home that exists
 * @throws {AuroraError} as `scanTree`; what `describe` throws; `no-space` and `io`
 */
export async function putTree(
  paths: HomePaths,
  source: string,
  describe: DescribeTree,
  options: ReadOptions = {},
): Promise<StagedTree> {
  using scratch = createScratch(paths.tmp, "stage");
  const copy = `${scratch.path}/tree`;
  const rules = readIgnoreRules(source);
  let sink: CopySink | undefined;
  const copying = (survey: Survey) =>
    (sink = isWorthAThread(survey)
      ? createParallelCopySink(copy, survey)
      : createCopySink(copy, survey.entries));
  try {
    let tree = await readPack(source, rules, {
      ...options,
      sinkFor: (survey) => (isLikelyStored(paths, survey) ? undefined : copying(survey)),
    });
    if (sink === undefined && (await isStoredWhole(paths, tree.digest))) {
      await describe(paths.tree(tree.digest), tree);
      return staged(tree, true);
    }
    if (sink === undefined) tree = await readPack(source, rules, { ...options, sinkFor: copying });
    const described = await describe(copy, tree);
    if (await isStoredWhole(paths, tree.digest)) return staged(tree, true);
    const links = addLinks(copy, described.pack_id, tree);
    const { flush, identities } = sink as unknown as CopySink;
    const record = writeRecord(scratch.path, described, tree, links, identities);
    flush([record.summary, record.entries]);
    publish(paths, tree.digest, copy, record);
    return staged(tree, false);
  } catch (thrown) {
    throw toAuroraError(thrown);
  } finally {
    sink?.close();
  }
}

/** A second thread takes some milliseconds to start, and is of use where there is a second processor. */
function isWorthAThread({ files, bytes }: Survey): boolean {
  return (files >= PARALLEL_FROM_FILES || bytes >= PARALLEL_FROM_BYTES) && availableParallelism() > 1;
}

function staged({ digest, files, bytes }: ScannedTree, reused: boolean): StagedTree {
  return { digest, files, bytes, reused };
}

/** A tree of as many files and bytes is most likely this one: then the digest is computed first, and nothing is copied. */
function isLikelyStored(paths: HomePaths, { files, bytes }: Survey): boolean {
  return listTrees(paths).some((digest) => {
    try {
      const record = readTreeRecord(paths, digest);
      return record.files === files && record.bytes === bytes;
    } catch (thrown) {
      if (thrown instanceof AuroraError) return false;
      throw thrown;
    }
  });
}

async function isStoredWhole(paths: HomePaths, digest: string): Promise<boolean> {
  return hasTree(paths, digest) && (await verifyTree(paths, digest, { full: false })).ok;
}

/** Links for scripts that write below their own directory. */
function addLinks(copy: string, packId: string, { entries }: ScannedTree): string[] {
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(packId)) throw new Error(`"${packId}" is no pack id`);
  const shipped = new Set(entries.map(({ path }) => path));
  const links = LINK_NAMES.filter((name) => !shipped.has(name));
  for (const name of links) symlinkSync(linkTarget(name, packId), `${copy}/${name}`);
  return links;
}

function writeRecord(
  directory: string,
  { pack_id, manifest }: Described,
  { digest, files, bytes, entries }: ScannedTree,
  links: string[],
  identities: readonly FileIdentity[],
): { summary: string; entries: string } {
  const written = { summary: `${directory}/summary`, entries: `${directory}/entries` };
  let file = 0;
  const stored = entries.map(({ path, type, mode, size_bytes, sha256, target }): StoredEntry => {
    const { mtime_ns = null, inode = null } = (type === "file" && identities[file++]) || {};
    return { path, type, mode, size_bytes, sha256, target, mtime_ns, inode };
  });
  createUnflushed(written.summary, encodeChecked({ digest, pack_id, manifest, files, bytes, links }), 0o600);
  createUnflushed(written.entries, encodeChecked(stored), 0o600);
  return written;
}

/** The tree comes first and its record last: what has a record is whole. */
function publish(
  paths: HomePaths,
  digest: string,
  copy: string,
  written: { summary: string; entries: string },
): void {
  const tree = paths.tree(digest);
  const record = recordPaths(paths, digest);
  if (!renameToNew(copy, tree)) {
    // Renaming a directory changes its "..": without root that needs the right to write to it.
    if (lstatSync(tree).isDirectory()) chmodSync(tree, 0o755);
    exchange(tree, copy);
  }
  chmodSync(tree, 0o555);
  syncDirectory(tree);
  renameSync(written.entries, record.entries);
  renameSync(written.summary, record.summary);
  syncDirectory(paths.store);
}

/** Returns false where the name is taken: by a damaged tree, or by one that somebody else has just put there. */
function renameToNew(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOTDIR") return false;
    throw thrown;
  }
}
