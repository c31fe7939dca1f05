import { AuroraError } from "../../errors.ts";
import { parseVfsPath } from "../../vfs/vfs-path.ts";

/** For a pack without data: its root is empty, and there is nothing else. */
export function requireRoot<T>(path: string, empty: T): T {
  const { names, shown } = parseVfsPath(path);
  if (names.length === 0) return empty;
  throw new AuroraError("not-found", `cannot look at "${shown}": there is nothing at that path`);
}

/** Where `cp` and `mv` put something: into a directory that is there, under its old name, as the shell's commands do. */
export function targetPath(from: string, to: string, isDirectory: boolean): string {
  if (!isDirectory) return to;
  const { shown } = parseVfsPath(to);
  return `${shown === "/" ? "" : shown}/${parseVfsPath(from).names.at(-1) ?? ""}`;
}
