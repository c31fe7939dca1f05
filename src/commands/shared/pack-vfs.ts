import { existsSync, readFileSync } from "node:fs";

import { type Manifest } from "../../manifest/schema.ts";
import { knownPackIds } from "../../registry/packs.ts";
import { makeDirectory } from "../../system/durable.ts";
import { ensureHome } from "../../system/ensure-home.ts";
import { homePaths } from "../../system/home.ts";
import { MemoryMount } from "../../vfs/memory-mount.ts";
import { type MountSpec } from "../../vfs/mount-table.ts";
import { SyncVfs } from "../../vfs/sync-vfs.ts";
import { tmpfsDirectory } from "../../vfs/tmpfs-directory.ts";
import { openVfs, Vfs } from "../../vfs/vfs.ts";
import { type Context } from "../command.ts";
import { unknownPack } from "./unknown-pack.ts";
import { checkPackId, openForReading } from "./workspace.ts";

/** A file system in memory that Linux offers to everybody. */
const SHARED_MEMORY = "/dev/shm";
const MANIFESTS = ["manifest.yaml", "manifest.yml", "manifest.json"];

/**
 * Opens a pack's VFS: its data, and what its manifest mounts. No lock is taken: a pack's files are its own, also while a
 * transaction is at work on it.
 *
 * A pack's own script finds its data at `AURORA_DATA_DIR`, which in a dry run is a copy; there nothing of the host is
 * mounted, because nobody has approved it yet.
 *
 * @param purpose "write" creates the root where it is not there yet; "read" finds an empty one instead, and creates nothing
 * @throws {AuroraError} `usage` for what is no pack id, `not-found` for a pack that nobody knows and for a host directory that
 * is not there
 */
export async function openPackVfs(context: Context, packId: string, purpose: Purpose): Promise<Vfs> {
  const { data, tree } = await placesOf(context, checkPackId(packId));
  const mounts = await mountsOf(context, data, tree, purpose);
  if (!existsSync(data)) {
    if (purpose === "read") return new Vfs(new SyncVfs(new MemoryMount(0, 0), mounts));
    ensureHome(homePaths(context.home));
    makeDirectory(data, 0o700);
  }
  return openVfs({ root: data, mounts });
}

type Purpose = "read" | "write";

type Places = {
  data: string;
  /** The tree whose manifest counts: a script's own, or the live one. */
  tree: string;
};

async function placesOf(context: Context, packId: string): Promise<Places> {
  const paths = homePaths(context.home);
  const { AURORA_PACK_ID, AURORA_DATA_DIR, AURORA_PACK_DIR } = context.env;
  if (AURORA_PACK_ID === packId && AURORA_DATA_DIR?.startsWith("/") && existsSync(AURORA_DATA_DIR))
    return { data: AURORA_DATA_DIR, tree: AURORA_PACK_DIR ?? paths.liveLink(packId) };
  const places = { data: paths.dataOf(packId), tree: paths.liveLink(packId) };
  if (existsSync(places.data)) return places;
  using workspace = await openForReading(context);
  if (!knownPackIds(workspace.registry).includes(packId))
    throw unknownPack(workspace, packId, "is not known");
  return places;
}

async function mountsOf(
  context: Context,
  data: string,
  tree: string,
  purpose: Purpose,
): Promise<MountSpec[]> {
  if (!mentionsMounts(tree)) return [];
  const { readManifest } = await import("../../manifest/read.ts");
  const isDryRun = context.env["AURORA_DRY_RUN"] === "1";
  return readManifest(tree)
    .manifest.pack.mounts.filter(({ type }) => type !== "host" || !isDryRun)
    .map((mount) => specOf(context, mount, data, tree, purpose));
}

/** Most packs mount nothing: then no manifest is parsed. */
function mentionsMounts(tree: string): boolean {
  return MANIFESTS.some((name) => {
    const path = `${tree}/${name}`;
    return existsSync(path) && readFileSync(path, "utf8").includes("mounts");
  });
}

function specOf(
  context: Context,
  mount: Manifest["pack"]["mounts"][number],
  data: string,
  tree: string,
  purpose: Purpose,
): MountSpec {
  const { path } = mount;
  switch (mount.type) {
    case "pack":
      return { path, kind: "pack", directory: tree };
    case "host":
      return { path, kind: "host", directory: mount.source, mode: mount.mode };
    case "memory": {
      const uid = process.geteuid?.() ?? 0;
      const key = new Bun.CryptoHasher("sha256").update(`${data}\0${path}`).digest("hex").slice(0, 32);
      const directory = tmpfsDirectory(SHARED_MEMORY, uid, [`aurora-${uid}`, key], purpose === "write");
      if (directory === undefined && purpose === "write")
        context.log.warn(`"${path}" is in this command's own memory: what it holds is gone when it ends`);
      return {
        path,
        kind: "memory",
        sizeBytes: mount.size_bytes,
        ...(directory === undefined ? {} : { directory }),
      };
    }
  }
}
