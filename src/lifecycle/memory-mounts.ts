import { memoryDirectory } from "../vfs/tmpfs-directory.ts";
import { type ScriptPack } from "./script.ts";

/** A memory mount, and the directory in memory that it is. */
export type MemoryMount = { path: string; type: "memory"; directory: string };

/**
 * The memory mounts of a pack, which its processes share with each other and with `aurora vfs`. In a dry run they are in
 * its scratch. What cannot be shared on this machine is left out.
 *
 * @param isMaking create what is not there yet
 */
export function memoryMounts(pack: ScriptPack, isMaking: boolean): MemoryMount[] {
  if (pack.isDryRun) return [];
  const uid = process.geteuid?.() ?? 0;
  return pack.manifest.pack.mounts.flatMap(({ path, type }) => {
    if (type !== "memory") return [];
    const directory = memoryDirectory(pack.dataDirectory, path, uid, isMaking);
    return directory === undefined ? [] : [{ path, type, directory }];
  });
}
