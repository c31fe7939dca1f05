import { readdirSync, readlinkSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { appendEvent } from "../registry/events.ts";
import { type GenerationRow, generationsOf } from "../registry/generations.ts";
import { knownPackIds, livePack } from "../registry/packs.ts";
import { openTransactions } from "../registry/transactions.ts";
import { allTrees, forgetTree, newestTree, treeByDigest } from "../registry/trees.ts";
import { removeStoredTree } from "../store/remove-tree.ts";
import { listTrees } from "../store/tree-record.ts";
import { planOf } from "./confirmation.ts";
import { keptSnapshots, removeSnapshot, snapshotBytes, type SnapshotName } from "./data-snapshot.ts";
import { holdStaging } from "./home-lock.ts";
import { timestamp, type Workspace } from "./workspace.ts";

/** So many good generations of each pack are kept, the live one among them. */
export const DEFAULT_KEEP = 3;

export type GcReport = {
  removed: string[];
  /** Data that generations left which no rollback goes to any more. */
  removed_snapshots: { pack_id: string; generation: number }[];
  freed_bytes: number;
  dry_run: boolean;
};

/**
 * Removes stored trees that nobody needs, and the snapshots of data that go with them. Kept are, for each pack: what is live, what was live before by the record, the
 * last `keep` generations that were good, what was staged last, what an open transaction names, and every tree in which a
 * process works. Failed generations do not count. A snapshot is kept as long as a rollback may go to its generation.
 *
 * @throws {AuroraError} `locked` while somebody stages
 */
export function collectGarbage(workspace: Workspace, keep: number, isDryRun: boolean): GcReport {
  const { paths, registry } = workspace;
  using staging = holdStaging(paths, "exclusive");
  if (!staging)
    throw new AuroraError("locked", "cannot collect garbage: packs are being staged", {
      hint: "try again when that is done",
    });
  const needed = neededDigests(workspace, keep);
  const known = new Set([...listTrees(paths), ...allTrees(registry).map(({ digest }) => digest)]);
  const removed = [...known].filter((digest) => !needed.has(digest)).toSorted();
  let freed = 0;
  for (const digest of removed) {
    if (isDryRun) {
      freed += treeByDigest(registry, digest)?.bytes ?? 0;
      continue;
    }
    // The registry forgets the tree first: a crash in between leaves a tree without a name, which the next gc removes.
    forgetTree(registry, digest);
    freed += removeStoredTree(paths, digest);
  }
  const snapshots = unneededSnapshots(workspace, keep);
  for (const { packId, name } of snapshots)
    freed += isDryRun ? snapshotBytes(paths, packId, name) : removeSnapshot(paths, packId, name);
  const removed_snapshots = snapshots.map(({ packId, name: { generation } }) => ({
    pack_id: packId,
    generation,
  }));
  if (!isDryRun && removed.length + removed_snapshots.length > 0)
    appendEvent(registry, {
      at: timestamp(workspace),
      packId: null,
      kind: "garbage-collected",
      detail: { removed, removed_snapshots, freed_bytes: freed },
    });
  return { removed, removed_snapshots, freed_bytes: freed, dry_run: isDryRun };
}

/** Snapshots of generations that a rollback hardly goes to: not among the last good ones, nor on the way back from the live one. */
function unneededSnapshots(
  { registry, paths }: Workspace,
  keep: number,
): { packId: string; name: SnapshotName }[] {
  return knownPackIds(registry).flatMap((packId) => {
    const history = generationsOf(registry, packId);
    const live = livePack(registry, packId);
    const needed = new Set(live ? goodGenerations(history, keep).map(({ generation }) => generation) : []);
    for (let steps = 0, next = live?.generation ?? null; next !== null && steps <= keep; steps++) {
      needed.add(next);
      next = history.find(({ generation }) => generation === next)?.parent ?? null;
    }
    return keptSnapshots(paths, packId, history)
      .filter(({ generation }) => !needed.has(generation))
      .map((name) => ({ packId, name }));
  });
}

/** The last good generations, newest first, `keep` at most: of those with the same content the newest. */
function goodGenerations(history: readonly GenerationRow[], keep: number): GenerationRow[] {
  const good = history.filter(({ outcome, digest }) => outcome === "committed" && digest !== null);
  const newest = new Map(good.map((row) => [row.digest, row]));
  return [...newest.values()].toSorted((a, b) => b.generation - a.generation).slice(0, keep);
}

function neededDigests({ registry, paths }: Workspace, keep: number): Set<string> {
  const needed = new Set<string>();
  for (const packId of knownPackIds(registry)) {
    const live = livePack(registry, packId);
    const history = generationsOf(registry, packId);
    const staged = newestTree(registry, packId);
    const isUsed = history.some(
      ({ digest, outcome }) => digest === staged?.digest && outcome === "committed",
    );
    if (staged && !isUsed) needed.add(staged.digest);
    if (live) {
      needed.add(live.digest);
      const parent = history.find(({ generation }) => generation === live.generation)?.parent;
      const before = history.find(({ generation }) => generation === parent);
      if (before?.outcome === "committed" && before.digest) needed.add(before.digest);
      for (const { digest } of goodGenerations(history, keep)) if (digest) needed.add(digest);
    }
  }
  for (const { plan } of openTransactions(registry))
    for (const { from, to } of planOf(plan).packs)
      for (const side of [from, to]) if (side) needed.add(side.digest);
  for (const hex of treesInUse(paths.store)) needed.add(`sha256:${hex}`);
  return needed;
}

/** The trees in which a process has its working directory or its executable, by /proc; none where there is no /proc. */
function treesInUse(store: string): Set<string> {
  const used = new Set<string>();
  for (const pid of namesIn("/proc").filter((name) => /^\d+$/.test(name)))
    for (const link of ["cwd", "exe"]) {
      const target = linkTarget(`/proc/${pid}/${link}`);
      if (target?.startsWith(`${store}/`))
        used.add(target.slice(store.length + 1).split("/", 1)[0] as string);
    }
  return used;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // Gone, or another user's.
  }
}
