import { existsSync } from "node:fs";

import { unknownPack } from "../../lifecycle/unknown-pack.ts";
import { knownPackIds } from "../../registry/packs.ts";
import { makeDirectory } from "../../system/durable.ts";
import { ensureHome } from "../../system/ensure-home.ts";
import { homePaths } from "../../system/home.ts";
import { MemoryMount } from "../../vfs/memory-mount.ts";
import { SyncVfs } from "../../vfs/sync-vfs.ts";
import { openVfs, Vfs } from "../../vfs/vfs.ts";
import { type Context } from "../command.ts";
import { ownDirectory } from "./own-pack.ts";
import { mountSpecs, type Purpose, quotaOf } from "./pack-mounts.ts";
import { manifestOfTree } from "./tree-manifest.ts";
import { checkPackId, openForReading } from "./workspace.ts";

/**
 * Opens a pack's VFS: its data, and what its manifest mounts. No lock is taken: a pack's files are its own, also while a
 * transaction is at work on it.
 *
 * A pack's own script finds its data at `AURORA_DATA_DIR`, which in a dry run is a copy; there nothing of the host or of other
 * packs is mounted, because nobody has approved it yet.
 *
 * @param purpose "write" creates the root where it is not there yet; "read" finds an empty one instead, and creates nothing
 * @throws {AuroraError} `usage` for what is no pack id, `not-found` for a pack that nobody knows
 */
export async function openPackVfs(context: Context, packId: string, purpose: Purpose): Promise<Vfs> {
  const { data, tree } = await placesOf(context, checkPackId(packId));
  const manifest = await manifestOfTree(homePaths(context.home), tree);
  const mounts = manifest ? await mountSpecs(context, { packId, manifest, data, tree }, purpose) : [];
  if (!existsSync(data)) {
    if (purpose === "read") return new Vfs(new SyncVfs(new MemoryMount(0, 0), mounts));
    ensureHome(homePaths(context.home));
    makeDirectory(data, 0o700);
  }
  return openVfs({ root: data, mounts, quota: quotaOf(manifest) });
}

type Places = {
  data: string;
  /** The tree whose manifest counts: a script's own, or the live one. */
  tree: string;
};

async function placesOf(context: Context, packId: string): Promise<Places> {
  const paths = homePaths(context.home);
  const own = ownDirectory(context, packId, "AURORA_DATA_DIR");
  if (own !== undefined && existsSync(own))
    return { data: own, tree: context.env["AURORA_PACK_DIR"] ?? paths.liveLink(packId) };
  const places = { data: paths.dataOf(packId), tree: paths.liveLink(packId) };
  if (existsSync(places.data)) return places;
  using workspace = await openForReading(context);
  if (!knownPackIds(workspace.registry).includes(packId))
    throw unknownPack(workspace, packId, "is not known");
  return places;
}
