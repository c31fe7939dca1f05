import { readdirSync, readlinkSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { appendEvent } from "../registry/events.ts";
import { generationsOf } from "../registry/generations.ts";
import { knownPackIds, livePack } from "../registry/packs.ts";
import { openTransactions } from "../registry/transactions.ts";
import { allTrees, forgetTree, newestTree, treeByDigest } from "../registry/trees.ts";
import { removeStoredTree } from "../store/remove-tree.ts";
import { listTrees } from "../store/tree-record.ts";
import { planOf } from "./confirmation.ts";
import { holdStaging } from "./home-lock.ts";
import { timestamp, type Workspace } from "./workspace.ts";

/** So many good generations of each pack are kept, the live one among them. */
export const DEFAULT_KEEP = 3;

export type GcReport = { removed: string[]; freed_bytes: number; dry_run: boolean };

/**
 * Removes stored trees that nobody needs. Kept are, for each pack: what is live, what was live before by the record, the
 * last `keep` generations that were good, what was staged last, what an open transaction names, and every tree in which a
 * process works. Failed generations do not count.
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
  if (!isDryRun && removed.length > 0)
    appendEvent(registry, {
      at: timestamp(workspace),
      packId: null,
      kind: "garbage-collected",
      detail: { removed, freed_bytes: freed },
    });
  return { removed, freed_bytes: freed, dry_run: isDryRun };
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
    const good = history.filter(({ outcome, digest }) => outcome === "committed" && digest !== null);
    if (live) {
      needed.add(live.digest);
      const parent = good.find(({ generation }) => generation === live.generation)?.parent;
      const before = good.find(({ generation }) => generation === parent);
      if (before?.digest) needed.add(before.digest);
      const distinct = [...new Set(good.toReversed().map(({ digest }) => digest as string))];
      for (const digest of distinct.slice(0, keep)) needed.add(digest);
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
