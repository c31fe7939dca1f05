import { constants, type Stats } from "node:fs";

import { AuroraError, systemReason } from "../errors.ts";
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
} as const;

/** A failed call in the words of the VFS: with its own path, and never one of the machine. */
export function explain(thrown: unknown, path: VfsPath, verb: string): unknown {
  if (thrown instanceof AuroraError) return thrown;
  const code = (thrown as { code?: string }).code;
  if (code === undefined || systemReason(thrown) === undefined) return thrown;
  const known = Object.hasOwn(codes, code) ? codes[code as keyof typeof codes] : undefined;
  const reason = known?.[1] ?? systemReason(thrown);
  return new AuroraError(known?.[0] ?? "io", `cannot ${verb} "${path.shown}": ${reason}`, { cause: thrown });
}

export function fileName(path: VfsPath, verb: string): VfsPath {
  if (path.names.length > 0 && !path.isDirectory) return path;
  throw new AuroraError("is-a-directory", `cannot ${verb} "${path.shown}": it is a directory`);
}

/** "file/" asks for a directory. */
export function slash({ isDirectory }: VfsPath): number {
  return isDirectory ? constants.O_DIRECTORY : 0;
}

export function requireFile(path: VfsPath, stat: Stats): void {
  if (stat.isFile()) return;
  if (stat.isDirectory())
    throw new AuroraError("is-a-directory", `cannot use "${path.shown}" as a file: it is a directory`);
  throw new AuroraError(
    "not-regular",
    `cannot use "${path.shown}" as a file: it is neither a file nor a directory`,
  );
}
