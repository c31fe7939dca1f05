import { formatSize } from "../../system/units.ts";
import { type Context, type Input } from "../command.ts";
import { openPackRootForWriting } from "../shared/pack-root.ts";

type Result = { pack_id: string; files: number; used_bytes: number; total_bytes: number; free_bytes: number };

export async function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  using root = await openPackRootForWriting(context, packId);
  return { pack_id: packId, ...root.usage() };
}

export function render({ files, used_bytes, total_bytes, free_bytes }: Result): string {
  return `${files} files, ${formatSize(used_bytes)}; its file system has ${formatSize(free_bytes)} of ${formatSize(total_bytes)} free`;
}
