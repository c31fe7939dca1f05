import { type Manifest } from "../manifest/schema.ts";
import { manifestFromStored } from "../manifest/stored.ts";
import { type PackRow } from "../registry/packs.ts";
import { type ScriptPack, scriptPack } from "./script.ts";
import { type Workspace } from "./workspace.ts";

export type LivePack = { row: PackRow; manifest: Manifest; script: ScriptPack };

/** What is known of a pack that is live, ready for its scripts. */
export function livePackOf(workspace: Workspace, row: PackRow): LivePack {
  const manifest = manifestFromStored(row.manifest);
  return { row, manifest, script: scriptPack(workspace, manifest, row) };
}
