import { existsSync, statfsSync } from "node:fs";

import { AuroraError } from "../../errors.ts";
import { homePaths } from "../../system/home.ts";
import { formatSize } from "../../system/units.ts";
import { type MountInfo } from "../../vfs/mount-table.ts";
import { type Context, type Input } from "../command.ts";
import { counted } from "../shared/counted.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

type Space = {
  files: number;
  /** Files, directories and links: what `quota_files` limits. */
  entries: number;
  used_bytes: number;
  free_bytes: number;
  quota_bytes: number | null;
  quota_files: number | null;
};
type Result = Space & {
  pack_id: string;
  total_bytes: number;
  mounts: (Space & { path: string; type: string })[];
};

/** It only looks, and creates nothing. */
export async function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "read");
  const [root, ...others] = vfs.mounts();
  const { home, dataOf } = homePaths(context.home);
  const isThere = existsSync(dataOf(packId));
  // No data yet: the pack is known, so there is a home, where its data would lie.
  const { blocks, bavail, bsize } = statfsSync(isThere ? dataOf(packId) : home);
  return {
    pack_id: packId,
    ...spaceOf(root as MountInfo),
    ...(isThere ? {} : { quota_bytes: null, quota_files: null }),
    total_bytes: blocks * bsize,
    free_bytes: bavail * bsize,
    mounts: others.flatMap((mount) => {
      try {
        return [{ path: mount.path, type: mount.kind, ...spaceOf(mount) }];
      } catch (thrown) {
        if (!(thrown instanceof AuroraError)) throw thrown;
        context.log.warn(thrown.message);
        return [];
      }
    }),
  };
}

function spaceOf(mount: MountInfo): Space {
  const { usage, freeBytes, quota } = mount.space();
  return {
    files: usage.files,
    entries: usage.entries,
    used_bytes: usage.bytes,
    free_bytes: freeBytes,
    quota_bytes: quota.bytes ?? null,
    quota_files: quota.entries ?? null,
  };
}

export function render({ total_bytes, mounts, ...data }: Result): string {
  const { files, used_bytes, free_bytes } = data;
  return [
    `${counted(files, "file")}, ${formatSize(used_bytes)}${quotaText(data)}; its file system has ${formatSize(free_bytes)} of ${formatSize(total_bytes)} free`,
    ...mounts.map(
      (mount) =>
        `${mount.path} (${mount.type}): ${counted(mount.files, "file")}, ${formatSize(mount.used_bytes)}${quotaText(mount)}; ${formatSize(mount.free_bytes)} free`,
    ),
  ].join("\n");
}

function quotaText({ quota_bytes, quota_files, entries }: Space): string {
  const parts = [
    ...(quota_bytes === null ? [] : [formatSize(quota_bytes)]),
    ...(quota_files === null ? [] : [`${entries} of ${quota_files} files, directories and links`]),
  ];
  return parts.length === 0 ? "" : ` of ${parts.join(", ")}`;
}
