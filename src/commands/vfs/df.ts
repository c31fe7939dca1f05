import { statfsSync } from "node:fs";

import { homePaths } from "../../system/home.ts";
import { formatSize } from "../../system/units.ts";
import { type Context, type Input } from "../command.ts";
import { openPackRoot } from "../shared/pack-root.ts";

type Result = { pack_id: string; files: number; used_bytes: number; total_bytes: number; free_bytes: number };

export async function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  using root = await openPackRoot(context, packId, false);
  if (root) return { pack_id: packId, ...root.usage() };
  // No data yet: a look creates nothing. The pack is known, so there is a home, where its data would lie.
  const { blocks, bavail, bsize } = statfsSync(homePaths(context.home).home);
  return {
    pack_id: packId,
    files: 0,
    used_bytes: 0,
    total_bytes: blocks * bsize,
    free_bytes: bavail * bsize,
  };
}

export function render({ files, used_bytes, total_bytes, free_bytes }: Result): string {
  return `${files} files, ${formatSize(used_bytes)}; its file system has ${formatSize(free_bytes)} of ${formatSize(total_bytes)} free`;
}
