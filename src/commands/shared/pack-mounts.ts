import { realpathSync } from "node:fs";

import { isRecord } from "../../lifecycle/channel/protocol.ts";
import { type DataMount, MOUNTS_VARIABLE } from "../../lifecycle/data-mounts.ts";
import { type DataMountEntry, refusalOfShare } from "../../lifecycle/data-share.ts";
import { type Manifest } from "../../manifest/schema.ts";
import { homePaths } from "../../system/home.ts";
import { isAtOrBelow, type MountSpec } from "../../vfs/mount-table.ts";
import { type Quota } from "../../vfs/mount.ts";
import { memoryDirectory } from "../../vfs/tmpfs-directory.ts";
import { type Context } from "../command.ts";
import { ownDirectory } from "./own-pack.ts";
import { manifestOfTree } from "./tree-manifest.ts";
import { isConfined } from "./workspace.ts";

/** "write": what a command may need is created. */
export type Purpose = "read" | "write";

type Mount = Manifest["pack"]["mounts"][number];
type Pack = { packId: string; manifest: Manifest; data: string; tree: string };

/** What a pack's data may hold. A manifest that was stored before there were quotas has none. */
export function quotaOf(manifest: Manifest | undefined): Quota {
  const { size_bytes: bytes = null, files: entries = null } = quotaIn(manifest) ?? {};
  return { ...(bytes === null ? {} : { bytes }), ...(entries === null ? {} : { entries }) };
}

function quotaIn(manifest: Manifest | undefined): Partial<Manifest["pack"]["data"]["quota"]> | undefined {
  return manifest?.pack.data.quota;
}

/**
 * What a pack's manifest mounts, as it is now. In a dry run neither the host's directories nor other packs' data are mounted:
 * nobody has approved them yet, and nothing of them may change.
 */
export async function mountSpecs(context: Context, pack: Pack, purpose: Purpose): Promise<MountSpec[]> {
  const isDryRun = context.env["AURORA_DRY_RUN"] === "1";
  const mounts = pack.manifest.pack.mounts.filter(
    ({ type }) => !isDryRun || (type !== "host" && type !== "data"),
  );
  return await Promise.all(mounts.map((mount) => specOf(context, pack, mount, purpose)));
}

async function specOf(context: Context, pack: Pack, mount: Mount, purpose: Purpose): Promise<MountSpec> {
  const { path } = mount;
  switch (mount.type) {
    case "pack":
      return { path, kind: "pack", directory: pack.tree };
    case "host":
      return hostSpec(context, mount);
    case "data":
      return await dataSpec(context, pack.packId, mount);
    case "memory":
      return memorySpec(context, pack, mount, purpose);
  }
}

/** A directory of this machine, but for Aurora's own: what lies there has other owners, and its own rules. */
function hostSpec(context: Context, { path, source, mode }: Mount & { type: "host" }): MountSpec {
  const [home, directory] = [realPath(context.home), realPath(source)];
  if (home !== undefined && directory !== undefined && overlap(home, directory))
    return {
      path,
      kind: "refused",
      as: "host",
      code: "denied",
      reason: "its directory holds Aurora's home, or is a part of it",
    };
  return { path, kind: "host", directory: source, mode };
}

function overlap(a: string, b: string): boolean {
  return [a, b].includes("/") || isAtOrBelow(a, b) || isAtOrBelow(b, a);
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Both live manifests have to agree, at each use: the other pack may have taken its consent back. */
async function dataSpec(context: Context, packId: string, mount: DataMountEntry): Promise<MountSpec> {
  if (isConfined(context)) return confinedDataSpec(context, mount);
  const { path, pack: other, source, mode } = mount;
  const paths = homePaths(context.home);
  const manifest = await manifestOfTree(paths, paths.liveLink(other));
  const reason = refusalOfShare(packId, mount, manifest);
  if (reason !== null) return { path, kind: "refused", as: "data", code: "denied", reason };
  const directory = paths.dataOf(other);
  return { path, kind: "data", directory, subPath: source, mode, quota: quotaOf(manifest) };
}

/**
 * A confined script cannot look at other packs' manifests: whoever started it has, and has let it into what they agree on. What
 * the variable says opens nothing: the kernel decides. Nor can it count all of the giver's data for its quota.
 */
function confinedDataSpec({ env }: Context, { path, mode }: DataMountEntry): MountSpec {
  const found = mountsOfScript(env).find((mount) => mount.path === path);
  if (typeof found?.directory === "string")
    return { path, kind: "data", directory: found.directory, subPath: "/", mode };
  const reason = found?.refused ?? "it was not there when this script was started";
  return { path, kind: "refused", as: "data", code: "denied", reason };
}

/** What a script was told of its mounts, or has told this command. */
function mountsOfScript(env: Context["env"]): Partial<Pick<DataMount, "path" | "directory" | "refused">>[] {
  try {
    const mounts: unknown = JSON.parse(env[MOUNTS_VARIABLE] ?? "[]");
    return Array.isArray(mounts) ? mounts.filter(isRecord) : [];
  } catch {
    return [];
  }
}

function memorySpec(
  context: Context,
  { packId, data }: Pack,
  { path, size_bytes: sizeBytes, files: entries }: Mount & { type: "memory" },
  purpose: Purpose,
): MountSpec {
  const { AURORA_DRY_RUN, AURORA_TMP_DIR } = context.env;
  const uid = process.geteuid?.() ?? 0;
  const scratch = AURORA_DRY_RUN === "1" ? AURORA_TMP_DIR : undefined;
  const told = ownDirectory(context, packId, "AURORA_DATA_DIR")
    ? mountsOfScript(context.env).find((mount) => mount.path === path)?.directory
    : undefined;
  const directory =
    typeof told === "string" ? told : memoryDirectory(data, path, uid, purpose === "write", scratch);
  if (directory === undefined && purpose === "write")
    context.log.warn(`"${path}" is in this command's own memory: what it holds is gone when it ends`);
  return { path, kind: "memory", sizeBytes, entries, ...(directory === undefined ? {} : { directory }) };
}
