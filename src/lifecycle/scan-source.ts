import { type SourcePack } from "./prepare.ts";
import { readPack } from "./stage-pack.ts";
import { type Workspace } from "./workspace.ts";

/** Reads a source as `stageSource` would, with the same checks, and writes nothing. */
export async function scanSource(workspace: Workspace, source: string): Promise<SourcePack> {
  const { manifest, digest, entries, bytes, warnings } = await readPack(source, { signal: workspace.signal });
  for (const { message } of warnings) workspace.warn(`${manifest.pack.id}: ${message}`);
  return { manifest, digest, entries, bytes };
}
