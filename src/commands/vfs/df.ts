import { existsSync, statfsSync } from "node:fs";

import { homePaths } from "../../system/home.ts";
import { formatSize } from "../../system/units.ts";
import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

type Space = { used_bytes: number; quota_bytes: number | null; quota_entries: number | null };
type Result = {
  pack_id: string;
  files: number;
  total_bytes: number;
  free_bytes: number;
  mounts: ({ path: string; type: string; files: number; free_bytes: number } & Space)[];
} & Space;

export async function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "read");
  const [root, ...others] = vfs.mounts().map(({ path, kind, mount }) => {
    const { bytes, files } = mount.usage();
    const { bytes: quotaBytes = null, entries: quotaEntries = null } = mount.quota;
    const space = { used_bytes: bytes, quota_bytes: quotaBytes, quota_entries: quotaEntries };
    return { path, type: kind, files, free_bytes: mount.freeBytes(), ...space };
  });
  const data = homePaths(context.home).dataOf(packId);
  const isThere = existsSync(data);
  const { blocks, bavail, bsize } = statfsSync(isThere ? data : homePaths(context.home).home);
  return {
    pack_id: packId,
    files: root?.files ?? 0,
    used_bytes: root?.used_bytes ?? 0,
    total_bytes: blocks * bsize,
    free_bytes: bavail * bsize,
    quota_bytes: isThere ? (root?.quota_bytes ?? null) : null,
    quota_entries: isThere ? (root?.quota_entries ?? null) : null,
    mounts: others,
  };
}

export function render({ files, used_bytes, total_bytes, free_bytes, mounts }: Result): string {
  return [
    `${files} files, ${formatSize(used_bytes)}; its file system has ${formatSize(free_bytes)} of ${formatSize(total_bytes)} free`,
    ...mounts.map(
      (mount) =>
        `${mount.path} (${mount.type}): ${mount.files} files, ${formatSize(mount.used_bytes)}; ${formatSize(freeOf(mount))} free`,
    ),
  ].join("\n");
}

function freeOf({ free_bytes, used_bytes, quota_bytes }: Result["mounts"][number]): number {
  return Math.max(0, Math.min(free_bytes, (quota_bytes ?? Infinity) - used_bytes));
}
