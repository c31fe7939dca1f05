import { appendEvent } from "../registry/events.ts";
import { type Registry } from "../registry/registry.ts";
import { recordTree } from "../registry/trees.ts";
import { holdStaging } from "./home-lock.ts";
import { type SourcePack } from "./prepare.ts";
import { stagePack } from "./stage-pack.ts";
import { timestamp, type Workspace } from "./workspace.ts";

export type StagedSource = SourcePack & { files: number; reused: boolean };

/**
 * What of the registry is not written yet, and may come with its next change: one flush of the database instead of two. Until then
 * a crash leaves trees that the registry does not name, as it may right after they were stored.
 */
export class Unwritten {
  readonly #registry: Registry;
  readonly #writes: (() => void)[] = [];

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  add(write: () => void): void {
    this.#writes.push(write);
  }

  /** Writes it all. Within a transaction of the database it is a part of that. */
  flush(): void {
    const writes = this.#writes.splice(0);
    if (writes.length === 0) return;
    this.#registry.write(() => {
      for (const write of writes) write();
    });
  }
}

/**
 * Stages a source and records it: the tree is durable before the registry names it.
 *
 * @param onProgress bytes done and bytes in all
 * @param unwritten where what is recorded waits until the caller flushes it; undefined: it is written at once
 */
export async function stageSource(
  workspace: Workspace,
  source: string,
  onProgress?: (doneBytes: number, totalBytes: number) => void,
  unwritten?: Unwritten,
): Promise<StagedSource> {
  const { paths, registry, signal } = workspace;
  using _staging = holdStaging(paths, "shared");
  const { manifest, digest, files, bytes, entries, reused, warnings } = await stagePack(paths, source, {
    signal,
    ...(onProgress ? { onProgress } : {}),
  });
  const { id, version } = manifest.pack;
  for (const { message } of warnings) workspace.warn(`${id}: ${message}`);
  const at = timestamp(workspace);
  const record = () => {
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
  };
  if (unwritten) unwritten.add(record);
  else registry.write(record);
  return { manifest, digest, entries, bytes, files, reused };
}
