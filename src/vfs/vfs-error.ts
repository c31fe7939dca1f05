import { constants } from "node:fs";

import { AuroraError, systemReason } from "../errors.ts";
import { printableName } from "./raw-name.ts";
import { type VfsPath } from "./vfs-path.ts";

const codes = {
  ENOENT: ["not-found", "there is nothing at that path"],
  EEXIST: ["exists", "it exists already"],
  ENOTEMPTY: ["not-empty", "the directory is not empty"],
  EISDIR: ["is-a-directory", "it is a directory"],
  ENOTDIR: ["not-a-directory", "a part of the path is no directory"],
  EXDEV: ["escape-refused", "a link in it leads out of the pack's root"],
  ELOOP: ["escape-refused", "its links lead nowhere, or to a place of /proc"],
  ENXIO: ["not-regular", "it is neither a file nor a directory"],
  EROFS: ["read-only", "it is read-only"],
  EACCES: ["denied", "permission denied"],
  EPERM: ["denied", "operation not permitted"],
  ENOSPC: ["no-space", "no space left on the device"],
  EDQUOT: ["quota-exceeded", "the disk quota is used up"],
  ENAMETOOLONG: ["invalid-path", "a name is too long"],
  EFBIG: ["too-large", "the file would be larger than its limit"],
  EBUSY: ["conflict", "something is mounted there"],
} as const;

type KnownCode = keyof typeof codes;

/** A failed call in the words of the VFS: with its own path, and never one of the machine. */
export function explain(thrown: unknown, path: VfsPath, verb: string): unknown {
  if (thrown instanceof AuroraError) return thrown;
  const code = (thrown as { code?: string }).code;
  if (code === undefined || systemReason(thrown) === undefined) return thrown;
  if (Object.hasOwn(codes, code)) return refusal(code as KnownCode, path, verb);
  return vfsError("io", path, verb, systemReason(thrown) as string);
}

/** Does something to a path, and explains what fails. */
export function guarded<T>(path: VfsPath, verb: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw explain(thrown, path, verb);
  }
}

/** What a call that failed with this errno would have become. */
export function refusal(code: KnownCode, path: VfsPath, verb: string): AuroraError {
  return vfsError(codes[code][0], path, verb, codes[code][1]);
}

/** "cannot <verb> <path>: <reason>", on one line whatever the path holds. */
export function vfsError(
  code: AuroraError["code"],
  path: VfsPath,
  verb: string,
  reason: string,
  hint?: string,
): AuroraError {
  return new AuroraError(code, `cannot ${verb} "${printableName(path.shown)}": ${reason}`, { hint });
}

/** Refuses a path that cannot be a file's: the root, and one that was written as a directory. */
export function requireFileName(path: VfsPath, verb: string): void {
  if (path.relative === "." || path.isDirectory) throw refusal("EISDIR", path, verb);
}

/** "file/" asks for a directory. */
export function slash({ isDirectory }: VfsPath): number {
  return isDirectory ? constants.O_DIRECTORY : 0;
}

export function requireFile(path: VfsPath, { type }: { type: string }, verb: string): void {
  if (type !== "file") throw refusal(type === "directory" ? "EISDIR" : "ENXIO", path, verb);
}

export function intoItself(path: VfsPath, verb: string): AuroraError {
  return vfsError("invalid-path", path, verb, "a directory cannot go into itself");
}

export function noLink(path: VfsPath): AuroraError {
  return vfsError("invalid-path", path, "read the link", "it is no symbolic link");
}

/** Where the text of a link leads, seen from the directory that it is in. Other links are left to the moment of use. */
export function requireInside(target: string, path: VfsPath): void {
  const leadsOut = () =>
    vfsError(
      "escape-refused",
      path,
      "create",
      `the link would lead out of the pack's root, to "${printableName(target)}"`,
    );
  if (target.startsWith("/")) throw leadsOut();
  let depth = path.relative.split("/").length - 1;
  for (const name of target.split("/")) {
    if (name === "..") depth--;
    else if (name !== "" && name !== ".") depth++;
    if (depth < 0) throw leadsOut();
  }
}
