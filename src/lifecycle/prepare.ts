import { existsSync } from "node:fs";
import { dirname } from "node:path";

import { AuroraError, type Diagnostic } from "../errors.ts";
import { type Manifest } from "../manifest/schema.ts";
import { manifestFromStored } from "../manifest/stored.ts";
import { satisfies } from "../manifest/version.ts";
import { environmentOf } from "../registry/environment.ts";
import { generationsOf } from "../registry/generations.ts";
import { dataEpochOf, livePack, livePacks } from "../registry/packs.ts";
import { quarantineOf } from "../registry/quarantine.ts";
import { openTransactions } from "../registry/transactions.ts";
import { treeByDigest } from "../registry/trees.ts";
import { diffTrees } from "../store/diff-trees.ts";
import { type TreeEntry } from "../store/tree-entry.ts";
import { hasTree, readTreeRecord } from "../store/tree-record.ts";
import { sharesCopies, treeBytes } from "../system/clone-tree.ts";
import { isHomeWritable } from "../system/ensure-home.ts";
import { freeSpace } from "../system/free-space.ts";
import { formatSize } from "../system/units.ts";
import { planOf } from "./confirmation.ts";
import { keptSnapshots, snapshotBytes, type SnapshotName } from "./data-snapshot.ts";
import { growthOf } from "./growth.ts";
import { hostOf } from "./hosted-service.ts";
import { plannedConfinement } from "./pack-process.ts";
import { type PlanDocument, planDocument, type PlannedPack } from "./plan-document.ts";
import { type PlanAction, planActions, type PresentPack, type WantedPack } from "./plan.ts";
import { scriptPack } from "./script.ts";
import { type TransactionPack } from "./steps.ts";
import { unknownPack } from "./unknown-pack.ts";
import { type Workspace } from "./workspace.ts";

/** A pack as it was read from a source, staged or only looked at. */
export type SourcePack = {
  manifest: Manifest;
  digest: string;
  entries: TreeEntry[];
  bytes: number;
  /** Where it was read from; undefined for what the store brings back. */
  directory?: string;
  /** Whether it is to run unconfined. Undefined: as it does now where this very content is live, else confined. */
  allowAll?: boolean;
  /** For a rollback: the generation that it goes back to, whose data comes back where a snapshot of it was kept. */
  rollbackTo?: number;
};

/** Reads one source: `stagePack` for a change, a mere scan for `plan`. */
export type ReadSource = (source: string) => Promise<SourcePack>;

/** Where a pack id lies among the sources, or undefined. */
export type FindSource = (packId: string) => string | undefined;

export type PreparedChange = {
  document: PlanDocument;
  actions: PlanAction[];
  wanted: Map<string, SourcePack>;
  /** The packs that are to run unconfined. */
  allowAll: Set<string>;
  /** The snapshots that become the data of their packs. */
  restores: Map<string, SnapshotName>;
};

/** So much free space must stay after everything is copied, in bytes. */
export const FREE_SPACE_RESERVE_BYTES = 16 * 1024 ** 2;

/**
 * Reads the sources and whatever they depend on that is not live in a fitting version, and plans.
 *
 * @param options `retry`: whether digests that failed their gate before may be used; `allowAll`: whether the packs of the sources,
 *   and not what they depend on, are to run unconfined
 * @throws {AuroraError} for everything that can be known to go wrong before anything changes
 */
export async function prepareChange(
  workspace: Workspace,
  kind: string,
  sources: readonly string[],
  read: ReadSource,
  find: FindSource,
  { retry, allowAll }: { retry: boolean; allowAll: boolean },
): Promise<PreparedChange> {
  const present = presentPacks(workspace);
  const wanted = await readClosure(sources, read, find, present, allowAll);
  return prepareWanted(workspace, kind, wanted, present, retry);
}

/** Plans for packs that are known already: what `activate` and `rollback` bring back. */
export function prepareWanted(
  workspace: Workspace,
  kind: string,
  wanted: Map<string, SourcePack>,
  present: readonly PresentPack[],
  retry: boolean,
): PreparedChange {
  for (const [packId, { rollbackTo }] of wanted)
    // It may have been removed since it was looked at: then there is nothing to go back from.
    if (rollbackTo !== undefined && !present.some(({ manifest }) => manifest.pack.id === packId))
      throw unknownPack(workspace, packId, "is not installed");
  const restores = snapshotsToRestore(workspace, wanted);
  const list = [...wanted].map(([packId, { manifest, digest, allowAll }]): WantedPack => {
    const before = present.find((pack) => pack.manifest.pack.id === packId);
    return {
      manifest,
      digest,
      allowAll: allowAll ?? (before?.digest === digest && before.allowAll),
      dataOf: restores.get(packId)?.generation,
    };
  });
  const actions = planActions(list, present);
  const changing = actions.filter(({ action }) => action !== "none").map(({ pack_id }) => pack_id);
  const planned = new Map<string, PlannedPack>();
  for (const { manifest, digest, allowAll } of list) {
    const packId = manifest.pack.id;
    const { entries } = wanted.get(packId) as SourcePack;
    const before = present.find((pack) => pack.manifest.pack.id === packId);
    const own = environmentOf(workspace.registry, packId).map(({ name }) => name);
    planned.set(packId, {
      manifest,
      environmentNames: [...new Set([...manifest.pack.env.required, ...own])].toSorted(),
      files: diffTrees(before ? entriesOf(workspace, before.digest) : [], entries),
      allowAll,
      grows: growthOf(before, manifest, allowAll),
      confinement: plannedConfinement(
        workspace,
        scriptPack(workspace, manifest, { digest, generation: 0, allow_all: allowAll ? 1 : 0 }),
      ),
    });
  }
  refuseUnconfirmed(workspace, changing);
  refuseWithoutWayBack(
    workspace,
    new Map(changing.map((packId) => [packId, (wanted.get(packId) as SourcePack).manifest])),
  );
  for (const packId of changing) {
    checkOne(workspace, wanted.get(packId) as SourcePack, retry, restores.has(packId));
    checkConfinement(workspace, packId, planned.get(packId) as PlannedPack);
  }
  checkEnvironment(
    workspace,
    changing.map((packId) => wanted.get(packId) as SourcePack),
  );
  checkFreeSpace(
    workspace,
    changing.map((packId) => wanted.get(packId) as SourcePack),
    restores,
  );
  const allowAll = new Set(list.filter((pack) => pack.allowAll).map(({ manifest }) => manifest.pack.id));
  return { document: planDocument(kind, actions, planned), actions, wanted, allowAll, restores };
}

/** For each pack that is rolled back: its data as the generation left it that it goes back to, where that was kept. */
function snapshotsToRestore(
  { paths, registry }: Workspace,
  wanted: ReadonlyMap<string, SourcePack>,
): Map<string, SnapshotName> {
  const restores = new Map<string, SnapshotName>();
  for (const [packId, { rollbackTo }] of wanted) {
    if (rollbackTo === undefined) continue;
    const kept = keptSnapshots(paths, packId, generationsOf(registry, packId));
    const snapshot = kept.find(({ generation }) => generation === rollbackTo);
    if (snapshot) restores.set(packId, snapshot);
  }
  return restores;
}

export function presentPacks(workspace: Pick<Workspace, "registry">): PresentPack[] {
  return livePacks(workspace.registry).map(({ pack_id, digest, generation, manifest, allow_all }) => ({
    digest,
    generation,
    allowAll: allow_all === 1,
    manifest: manifestFromStored(manifest, pack_id),
  }));
}

async function readClosure(
  sources: readonly string[],
  read: ReadSource,
  find: FindSource,
  present: readonly PresentPack[],
  allowAll: boolean,
): Promise<Map<string, SourcePack>> {
  const wanted = new Map<string, SourcePack>();
  const live = new Map(present.map((pack) => [pack.manifest.pack.id, pack.manifest]));
  for (const source of sources) {
    const pack = { ...(await read(source)), directory: source };
    const { id } = pack.manifest.pack;
    const other = wanted.get(id);
    if (other && other.digest !== pack.digest)
      throw new AuroraError("usage", `the pack "${id}" is given twice, with different content`);
    wanted.set(id, allowAll ? { ...pack, allowAll } : pack);
  }
  const queue = [...wanted.values()];
  for (let pack = queue.shift(); pack; pack = queue.shift())
    for (const { pack_id, version_constraint } of pack.manifest.pack.dependencies) {
      if (wanted.has(pack_id)) continue;
      const present = live.get(pack_id);
      if (present && satisfies(present.pack.version, version_constraint)) continue;
      const source = find(pack_id);
      if (source === undefined) continue; // The plan says that it is missing, or what does not fit.
      const dependency = { ...(await read(source)), directory: source };
      if (dependency.manifest.pack.id !== pack_id) continue;
      wanted.set(pack_id, dependency);
      queue.push(dependency);
    }
  return wanted;
}

function entriesOf(workspace: Workspace, digest: string): TreeEntry[] {
  return hasTree(workspace.paths, digest) ? readTreeRecord(workspace.paths, digest).entries : [];
}

function checkOne(
  workspace: Workspace,
  { manifest, digest }: SourcePack,
  retry: boolean,
  isDataRestored: boolean,
): void {
  const { id, data, device } = manifest.pack;
  hostOf(workspace, manifest);
  checkDevice(id, device);
  const failed = quarantineOf(workspace.registry, digest);
  if (failed && !retry)
    throw new AuroraError(
      "quarantined",
      `cannot install "${id}": this very content failed on ${failed.at}: ${failed.reason}`,
      {
        hint: "change the pack, or try it again with --retry",
      },
    );
  const epoch = dataEpochOf(workspace.registry, id);
  // What comes back was in the epoch of this very generation.
  if (!isDataRestored && epoch !== undefined && !data.reads_epochs.includes(epoch) && data.epoch !== epoch)
    throw new AuroraError(
      "epoch-conflict",
      `cannot activate "${id}" ${manifest.pack.version}: its data is in epoch ${epoch}, and it reads ${data.reads_epochs.join(", ")}`,
      { hint: `add ${epoch} to data.reads_epochs once the pack can read it` },
    );
}

/** All that is missing at once: whoever sets one variable after the other would run into each. */
function checkEnvironment(workspace: Workspace, packs: readonly SourcePack[]): void {
  const faults = packs.flatMap(({ manifest: { pack } }) => {
    const own = new Set(environmentOf(workspace.registry, pack.id).map(({ name }) => name));
    const missing = pack.env.required.filter((name) => !own.has(name) && workspace.env[name] === undefined);
    if (missing.length === 0) return [];
    const message = `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not set`;
    return [{ id: pack.id, message, names: missing }];
  });
  const [first] = faults;
  if (!first) return;
  const hint = `aurora env set ${first.id} ${first.names.map((name) => `${name}=VALUE`).join(" ")}`;
  if (faults.length === 1)
    throw new AuroraError("environment-missing", `cannot install "${first.id}": ${first.message}`, { hint });
  throw new AuroraError(
    "environment-missing",
    `cannot install: variables that ${faults.length} packs need are not set`,
    {
      hint: `${hint}, and so for each`,
      diagnostics: faults.map(({ id, message }) => ({ message: `"${id}": ${message}` })),
    },
  );
}

/** Known before anything is changed; each start checks it again. */
function checkConfinement(
  { requireConfinement = false }: Workspace,
  packId: string,
  { manifest, allowAll, confinement }: PlannedPack,
): void {
  const isRequired = manifest.pack.permissions.confinement === "required";
  if (allowAll && requireConfinement)
    throw new AuroraError("usage", "--allow-all and --require-confinement exclude each other");
  if ((!isRequired && !requireConfinement) || allowAll || confinement.state === "enforced") return;
  const missing = confinement.layers.find(({ enforced, reason }) => !enforced && reason !== null);
  throw new AuroraError(
    "denied",
    `cannot install "${packId}": it requires confinement, and ${missing?.name ?? "a layer"} is not available: ${missing?.reason ?? "unknown"}`,
    { hint: "aurora doctor shows what this machine can enforce" },
  );
}

function checkDevice(packId: string, { os, arch, min_memory_bytes }: Manifest["pack"]["device"]): void {
  const faults: Diagnostic[] = [];
  if (os.length > 0 && !os.some((name) => name === process.platform))
    faults.push({ message: `it is for ${os.join(", ")}, and this is ${process.platform}` });
  if (arch.length > 0 && !arch.some((name) => name === process.arch))
    faults.push({ message: `it is for ${arch.join(", ")}, and this is ${process.arch}` });
  const memory = process.constrainedMemory?.() || Number.POSITIVE_INFINITY;
  if (min_memory_bytes !== null && memory < min_memory_bytes)
    faults.push({
      message: `it needs ${formatSize(min_memory_bytes)} of memory, and this machine has ${formatSize(memory)}`,
    });
  if (faults.length > 0)
    throw new AuroraError("not-supported", `cannot install "${packId}" on this machine`, {
      diagnostics: faults,
    });
}

/** Whatever changes a pack waits until its last change is kept or rolled back: that one brings back what was before it. */
export function refuseUnconfirmed(workspace: Workspace, packIds: readonly string[]): void {
  const waiting = unconfirmedPacks(workspace).find(({ pack_id }) => packIds.includes(pack_id));
  if (waiting)
    throw unconfirmed(`"${waiting.pack_id}": its last change is not confirmed yet`, waiting.pack_id);
}

/**
 * What is not confirmed may go back at any moment, and nobody looks at dependencies then: both ways have to be good for them.
 *
 * @param changed the packs that change, as they will be; null for one that is removed
 */
export function refuseWithoutWayBack(
  workspace: Workspace,
  changed: ReadonlyMap<string, Manifest | null>,
): void {
  for (const { pack_id: waiting, from } of unconfirmedPacks(workspace)) {
    for (const [packId, manifest] of changed) {
      const need = manifest?.pack.dependencies.find(({ pack_id }) => pack_id === waiting);
      if (need && !(from && satisfies(from.version, need.version_constraint)))
        throw unconfirmed(`"${packId}": it depends on the last change of "${waiting}"`, waiting);
    }
    const tree = from && treeByDigest(workspace.registry, from.digest);
    const needs = tree ? manifestFromStored(tree.manifest, waiting).pack.dependencies : [];
    for (const { pack_id: packId, version_constraint } of needs) {
      const after = changed.get(packId);
      if (after !== undefined && !(after && satisfies(after.pack.version, version_constraint)))
        throw unconfirmed(`"${packId}": what "${waiting}" may go back to depends on it`, waiting);
    }
  }
}

function unconfirmedPacks({ registry }: Workspace): TransactionPack[] {
  return openTransactions(registry)
    .filter(({ state }) => state === "unconfirmed")
    .flatMap(({ plan }) => planOf(plan).packs);
}

function unconfirmed(what: string, waiting: string): AuroraError {
  return new AuroraError("conflict", `cannot change ${what}`, {
    hint: `aurora confirm ${waiting} keeps it; without that it is rolled back by itself`,
  });
}

/** Room for another copy of each tree that changes, for snapshots of the data, and for data that is brought back. */
function checkFreeSpace(
  workspace: Workspace,
  packs: readonly SourcePack[],
  restores: ReadonlyMap<string, SnapshotName>,
): void {
  if (packs.length === 0) return;
  const trees = packs.reduce((sum, { bytes }) => sum + bytes, FREE_SPACE_RESERVE_BYTES);
  const needed = trees + copiedDataBytes(workspace, packs, restores);
  const free = freeSpace(nearestExisting(workspace.paths.home));
  if (free === undefined || free >= needed) return;
  throw new AuroraError(
    "no-space",
    `cannot begin: ${formatSize(needed)} of free space are needed in "${workspace.paths.home}", and there are ${formatSize(free)}`,
    {
      hint: "free some space, or remove old generations with aurora gc",
    },
  );
}

/** What is copied of the packs' data: nothing where the file system shares the content of copies. */
function copiedDataBytes(
  { paths, registry }: Workspace,
  packs: readonly SourcePack[],
  restores: ReadonlyMap<string, SnapshotName>,
): number {
  let bytes = 0;
  for (const { manifest } of packs) {
    const { id, data } = manifest.pack;
    const restore = restores.get(id);
    if (restore) bytes += snapshotBytes(paths, id, restore);
    if ((data.snapshot && livePack(registry, id)) || restore) bytes += treeBytes(paths.dataOf(id));
  }
  return bytes > 0 && isHomeWritable(paths) && sharesCopies(paths.tmp) ? 0 : bytes;
}

/** A plan may be made before there is a home: then its file system is that of the directory it will be in. */
function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}
