import { existsSync } from "node:fs";

import { type GenerationRow } from "../registry/generations.ts";
import { renameSync } from "../system/changes.ts";
import { cloneTree, treeBytes } from "../system/clone-tree.ts";
import { makeDirectory, syncDirectory, syncFileSystem } from "../system/durable.ts";
import { type HomePaths } from "../system/home.ts";
import { namesIn } from "../system/names-in.ts";
import { removeTree, removeTreeDurably } from "../system/scratch.ts";

/**
 * A pack's data as one generation left it: taken by the transaction that replaced that generation, before it switched. Its
 * name says both, so that the history alone tells whose data it is, also after the registry was rebuilt.
 */
export type SnapshotName = { generation: number; transactionId: string };

/**
 * Copies a pack's data as it is now to `snapshots/<pack>/<generation>-<transaction>`: by reflink where the file system can,
 * so that it costs next to nothing. The copy is durable before it gets its name. The service must be stopped.
 */
export function takeSnapshot(paths: HomePaths, packId: string, name: SnapshotName): void {
  const target = snapshotPath(paths, packId, name);
  if (existsSync(target)) return;
  makeDirectory(paths.snapshotsOf(packId), 0o700);
  makeDirectory(paths.dataOf(packId), 0o700);
  const partial = `${target}.partial`;
  removeTree(partial);
  cloneTree(paths.dataOf(packId), partial);
  syncFileSystem(paths.snapshotsOf(packId));
  renameSync(partial, target);
  syncDirectory(paths.snapshotsOf(packId));
}

/**
 * Undoes a transaction's changes of the data: its snapshot becomes the data, by two renames, so that this needs no space on a
 * disk that may be full. Without a snapshot it was never finished, and the data not touched yet; or this was done already,
 * before a crash.
 */
export function moveSnapshotBack(paths: HomePaths, packId: string, name: SnapshotName): void {
  const snapshot = snapshotPath(paths, packId, name);
  if (existsSync(snapshot)) return replaceData(paths, packId, snapshot, `${snapshot}.replaced`);
  // A crash may have come between the renames and their flush.
  for (const directory of [paths.data, paths.snapshotsOf(packId)])
    if (existsSync(directory)) syncDirectory(directory);
}

/**
 * Brings the data back as the generation left it that a rollback goes to. The snapshot of that generation stays; the
 * transaction's own one, which must exist, serves the way back.
 *
 * @param from a snapshot of an earlier transaction
 */
export function restoreSnapshot(
  paths: HomePaths,
  packId: string,
  from: SnapshotName,
  own: SnapshotName,
): void {
  const fresh = `${snapshotPath(paths, packId, own)}.restored`;
  removeTree(fresh);
  cloneTree(snapshotPath(paths, packId, from), fresh);
  syncFileSystem(paths.snapshotsOf(packId));
  replaceData(paths, packId, fresh, `${snapshotPath(paths, packId, own)}.replaced`);
}

/** A crash between the two renames leaves no data, and what is to become it: the undo goes on from there. */
function replaceData(paths: HomePaths, packId: string, by: string, replaced: string): void {
  const data = paths.dataOf(packId);
  if (existsSync(data)) {
    removeTree(replaced);
    renameSync(data, replaced);
  }
  renameSync(by, data);
  syncDirectory(paths.data);
  syncDirectory(paths.snapshotsOf(packId));
  removeTree(replaced);
}

/** Removes what a crash left beside a transaction's snapshots, and the snapshot itself unless it is to be kept. */
export function dropSnapshot(paths: HomePaths, packId: string, name: SnapshotName, isKept: boolean): void {
  const path = snapshotPath(paths, packId, name);
  for (const scrap of [`${path}.partial`, `${path}.restored`]) removeTree(scrap);
  if (!isKept) removeTree(path);
  removeTreeDurably(`${path}.replaced`);
}

/** The snapshots that ended transactions have left for rollbacks, newest last. */
export function keptSnapshots(
  paths: HomePaths,
  packId: string,
  history: readonly Pick<GenerationRow, "transaction_id" | "outcome">[],
): SnapshotName[] {
  return namesIn(paths.snapshotsOf(packId))
    .flatMap((name) => {
      const [, generation, transactionId] = /^(\d+)-([0-9a-f-]{36})$/.exec(name) ?? [];
      const isCommitted = history.some(
        (row) => row.transaction_id === transactionId && row.outcome === "committed",
      );
      return generation !== undefined && transactionId !== undefined && isCommitted
        ? [{ generation: Number(generation), transactionId }]
        : [];
    })
    .toSorted((a, b) => a.generation - b.generation);
}

/** Removes a kept snapshot, durably. Returns the bytes of its files. */
export function removeSnapshot(paths: HomePaths, packId: string, name: SnapshotName): number {
  const path = snapshotPath(paths, packId, name);
  const bytes = treeBytes(path);
  removeTreeDurably(path);
  return bytes;
}

/** The bytes of a kept snapshot's files. */
export function snapshotBytes(paths: HomePaths, packId: string, name: SnapshotName): number {
  return treeBytes(snapshotPath(paths, packId, name));
}

function snapshotPath(paths: HomePaths, packId: string, { generation, transactionId }: SnapshotName): string {
  return `${paths.snapshotsOf(packId)}/${generation}-${transactionId}`;
}
