import { existsSync } from "node:fs";

import { unknownPack } from "../../lifecycle/unknown-pack.ts";
import { knownPackIds } from "../../registry/packs.ts";
import { makeDirectory } from "../../system/durable.ts";
import { ensureHome } from "../../system/ensure-home.ts";
import { homePaths } from "../../system/home.ts";
import { PackRoot } from "../../vfs/pack-root.ts";
import { type Context } from "../command.ts";
import { checkPackId, openForReading } from "./workspace.ts";

/**
 * Opens the root of a pack's VFS. No lock is taken: a pack's files are its own, also while a transaction is at work on it.
 *
 * A pack's own script finds its data at `AURORA_DATA_DIR`, which in a dry run is a copy.
 *
 * @param isWriting creates the root where it is not there yet; a look finds an empty root instead
 * @returns undefined for a pack that is known and has no data yet
 * @throws {AuroraError} `usage` for what is no pack id, `not-found` for a pack that nobody knows
 */
export async function openPackRoot(
  context: Context,
  packId: string,
  isWriting: boolean,
): Promise<PackRoot | undefined> {
  const directory = await dataDirectoryOf(context, checkPackId(packId));
  if (!existsSync(directory)) {
    if (!isWriting) return undefined;
    ensureHome(homePaths(context.home));
    makeDirectory(directory, 0o700);
  }
  return new PackRoot(directory);
}

/** As `openPackRoot` for writing: there is always one. */
export async function openPackRootForWriting(context: Context, packId: string): Promise<PackRoot> {
  return (await openPackRoot(context, packId, true)) as PackRoot;
}

async function dataDirectoryOf(context: Context, packId: string): Promise<string> {
  const own = context.env["AURORA_DATA_DIR"];
  if (context.env["AURORA_PACK_ID"] === packId && own?.startsWith("/") && existsSync(own)) return own;
  const directory = homePaths(context.home).dataOf(packId);
  if (existsSync(directory)) return directory;
  using workspace = await openForReading(context);
  if (!knownPackIds(workspace.registry).includes(packId))
    throw unknownPack(workspace, packId, "is not known");
  return directory;
}
