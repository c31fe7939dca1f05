import { toAuroraError } from "../errors.ts";
import { type Manifest } from "../manifest/schema.ts";
import { manifestFromStored } from "../manifest/stored.ts";
import { livePack } from "../registry/packs.ts";
import { openRegistry } from "../registry/registry.ts";
import {
  forgetSharedData,
  recordSharedData,
  sharedData,
  type SharedDataRow,
} from "../registry/shared-data.ts";
import { type DataMountEntry, refusalOfShare } from "./data-share.ts";
import { isPassingError } from "./passing-error.ts";
import { type ScriptPack } from "./script.ts";
import { closeShare, openShare, requireAcls, sharedDirectory } from "./shared-access.ts";
import { type Workspace } from "./workspace.ts";

/**
 * The variable by which a script finds the directories of what it mounts in memory and of other packs' data. What it says grants
 * nothing.
 */
export const MOUNTS_VARIABLE = "AURORA_MOUNTS";

/** A mount of another pack's data, as it is at this moment. */
export type DataMount = {
  /** Where it appears. */
  path: string;
  from: string;
  source: string;
  mode: "ro" | "rw";
} & (
  | { directory: string; refused: null }
  /** Why it cannot be used. */
  | { directory: null; refused: string }
);

/** The parts of other packs' data that a pack mounts, each as both live manifests have it now. In a dry run there are none. */
export function dataMounts({ registry, paths }: Workspace, pack: ScriptPack): DataMount[] {
  if (pack.isDryRun) return [];
  const { id, mounts } = pack.manifest.pack;
  return mounts.filter(isDataMount).map((mount) => {
    const { path, pack: from, source, mode } = mount;
    const giver = livePack(registry, from);
    const refused = refusalOfShare(id, mount, giver && manifestFromStored(giver.manifest, from));
    const about = { path, from, source, mode };
    if (refused !== null) return { ...about, directory: null, refused };
    const directory = sharedDirectory(paths.dataOf(from), source);
    if (directory !== undefined) return { ...about, directory, refused: null };
    return { ...about, directory: null, refused: `the pack "${from}" has no directory "${source}"` };
  });
}

function isDataMount(mount: Manifest["pack"]["mounts"][number]): mount is DataMountEntry {
  return mount.type === "data";
}

/**
 * Lets a pack's user into what the pack mounts, where packs have users of their own. It is written down first, so that
 * whatever happens it is known what to take back.
 *
 * @param uid whom the pack's process runs as
 * @throws {AuroraError} `not-supported` where the file system has no ACLs
 */
export function openDataMounts(
  workspace: Workspace,
  pack: ScriptPack,
  mounts: readonly DataMount[],
  uid: number,
): void {
  if (process.geteuid?.() !== 0) return;
  const usable = mounts.filter(({ directory }) => directory !== null);
  if (usable.length === 0) return;
  const known = sharedData(workspace.registry);
  for (const { from, source, mode } of usable) {
    // Before it is written down: nobody could take it back.
    requireAcls(workspace.paths.dataOf(from), source);
    const row: SharedDataRow = { giver: from, taker: pack.manifest.pack.id, source, mode, uid };
    if (!known.some((each) => JSON.stringify(each) === JSON.stringify(row))) {
      // The caller's may be open for reading only.
      using registry = openRegistry(workspace.paths);
      registry.write(() => recordSharedData(registry, row));
    }
    openShare({ data: workspace.paths.dataOf(from), source, uid, mode });
  }
}

/**
 * Takes back what packs do not agree on any more, and opens anew what they do: a snapshot that came back has no ACLs. What cannot
 * be done is in no other pack's way: it is tried again the next time, or when the pack that mounts it starts.
 *
 * @throws {AuroraError} what passes, as a full disk
 */
export function reviewSharedData(workspace: Workspace): void {
  const { registry, paths } = workspace;
  const parts = sharedData(registry).map((row) => ({ row, part: { ...row, data: paths.dataOf(row.giver) } }));
  const agreed = parts.filter(({ row }) => isAgreed(workspace, row));
  // First what is closed: it may hold, or lie in, what stays open.
  for (const each of parts) {
    if (agreed.includes(each)) continue;
    tryShare(workspace, () => {
      closeShare(each.part);
      registry.write(() => forgetSharedData(registry, each.row));
    });
  }
  for (const { part } of agreed) tryShare(workspace, () => openShare(part));
}

function tryShare({ warn }: Workspace, work: () => void): void {
  try {
    work();
  } catch (thrown) {
    const error = toAuroraError(thrown);
    if (error.code === "internal" || isPassingError(error)) throw error;
    warn(error.message);
  }
}

function isAgreed({ registry }: Workspace, { giver, taker, source, mode }: SharedDataRow): boolean {
  const [from, to] = [giver, taker].map((packId) => {
    const row = livePack(registry, packId);
    return row && manifestFromStored(row.manifest, packId);
  });
  return (to?.pack.mounts ?? []).some(
    (mount) =>
      isDataMount(mount) &&
      mount.pack === giver &&
      mount.source === source &&
      mount.mode === mode &&
      refusalOfShare(taker, mount, from) === null,
  );
}
