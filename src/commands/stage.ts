import { stageSource } from "../lifecycle/stage-source.ts";
import { formatSize } from "../system/units.ts";
import { type Context, type Input } from "./command.ts";
import { counted } from "./shared/counted.ts";
import { resolveSource } from "./shared/sources.ts";
import { progressOf } from "./shared/staging-progress.ts";
import { openForWriting } from "./shared/workspace.ts";

type Result = {
  pack_id: string;
  version: string;
  digest: string;
  files: number;
  bytes: number;
  reused: boolean;
};

export async function run(context: Context, { args: [source = ""] }: Input): Promise<Result> {
  const directory = resolveSource(context, source);
  using workspace = openForWriting(context);
  const staged = await stageSource(workspace, directory, progressOf(context, source));
  const { id, version } = staged.manifest.pack;
  const { digest, files, bytes, reused } = staged;
  return { pack_id: id, version, digest, files, bytes, reused };
}

export function render({ pack_id, version, digest, files, bytes, reused }: Result): string {
  const size = `${counted(files, "file")}, ${formatSize(bytes)}`;
  return `${pack_id} ${version} ${reused ? "was staged already" : "is staged"} (${size})\n${digest}`;
}
