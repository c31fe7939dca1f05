import { constants, cpSync, existsSync, lstatSync, renameSync } from "node:fs";

import { makeDirectory, syncDirectory, syncFileSystem } from "../system/durable.ts";
import { type HomePaths } from "../system/home.ts";
import { removeTree, removeTreeDurably } from "../system/scratch.ts";

/**
 * Copies a pack's data as it is now to `snapshots/<pack>/<transaction>`: by reflink where the file system can, so that it
 * costs next to nothing. The copy is durable before it gets its name. The service must be stopped.
 */
export function takeSnapshot(paths: HomePaths, packId: string, transactionId: string): void {
  const target = snapshotPath(paths, packId, transactionId);
  if (existsSync(target)) return;
  makeDirectory(paths.snapshotsOf(packId), 0o700);
  makeDirectory(paths.dataOf(packId), 0o700);
  const partial = `${target}.partial`;
  removeTree(partial);
  copyTree(paths.dataOf(packId), partial);
  syncFileSystem(paths.snapshotsOf(packId));
  renameSync(partial, target);
  syncDirectory(paths.snapshotsOf(packId));
}

/**
 * Puts the data back as the snapshot has it; without a snapshot (it was never finished) the data was not touched yet. The
 * snapshot itself stays until the transaction's end, so that this can be done again after a crash in its middle.
 */
export function restoreSnapshot(paths: HomePaths, packId: string, transactionId: string): void {
  const source = snapshotPath(paths, packId, transactionId);
  if (!existsSync(source)) return;
  const fresh = `${source}.restored`;
  const replaced = `${source}.replaced`;
  removeTree(fresh);
  copyTree(source, fresh);
  syncFileSystem(paths.snapshotsOf(packId));
  removeTree(replaced);
  if (existsSync(paths.dataOf(packId))) renameSync(paths.dataOf(packId), replaced);
  renameSync(fresh, paths.dataOf(packId));
  syncDirectory(paths.data);
  removeTree(replaced);
}

/** Removes a transaction's snapshots, and what a crash left beside them. */
export function dropSnapshots(paths: HomePaths, packId: string, transactionId: string): void {
  const path = snapshotPath(paths, packId, transactionId);
  for (const name of [`${path}.partial`, `${path}.restored`, `${path}.replaced`]) removeTree(name);
  removeTreeDurably(path);
}

function snapshotPath(paths: HomePaths, packId: string, transactionId: string): string {
  return `${paths.snapshotsOf(packId)}/${transactionId}`;
}

function copyTree(from: string, to: string): void {
  cpSync(from, to, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
    // A FIFO or a socket cannot be copied, and has nothing in it that would have to come back.
    filter: (path) => {
      const stat = lstatSync(path);
      return stat.isFile() || stat.isDirectory() || stat.isSymbolicLink();
    },
  });
}
