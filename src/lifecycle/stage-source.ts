import { appendEvent } from "../registry/events.ts";
import { recordTree } from "../registry/trees.ts";
import { holdStaging } from "./home-lock.ts";
import { type SourcePack } from "./prepare.ts";
import { stagePack } from "./stage-pack.ts";
import { timestamp, type Workspace } from "./workspace.ts";

export type StagedSource = SourcePack & { files: number; reused: boolean };

/**
 * Stages a source and records it: the tree is durable before the registry names it.
 *
 * @param onProgress bytes done and bytes in all
 */
export async function stageSource(
  workspace: Workspace,
  source: string,
  onProgress?: (doneBytes: number, totalBytes: number) => void,
): Promise<StagedSource> {
  const { paths, registry, signal } = workspace;
  using _staging = holdStaging(paths, "shared");
  const { manifest, digest, files, bytes, entries, reused, warnings } = await stagePack(paths, source, {
    signal,
    ...(onProgress ? { onProgress } : {}),
  });
  for (const { message } of warnings) workspace.warn(message);
  const at = timestamp(workspace);
  const { id, version } = manifest.pack;
  registry.write(() => {
    recordTree(registry, {
      digest,
      pack_id: id,
      version,
      manifest: JSON.stringify(manifest),
      files,
      bytes,
      staged_at: at,
    });
    if (!reused) appendEvent(registry, { at, packId: id, kind: "staged", detail: { digest, version } });
  });
  return { manifest, digest, entries, bytes, files, reused };
}
