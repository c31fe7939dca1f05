import { AuroraError, type ErrorCode } from "../errors.ts";
import { type Quota, type Usage } from "./mount.ts";
import { printableName } from "./raw-name.ts";
import { parseVfsPath, type VfsPath } from "./vfs-path.ts";

/** How many mounts one pack may have. */
export const MAX_MOUNTS = 64;

/** What is mounted where. */
export type MountSpec =
  /** In this process, or in a directory of a file system that is in memory, so that other processes see it. */
  | { path: string; kind: "memory"; sizeBytes: number; entries?: number; directory?: string }
  /** A live tree, which nobody writes to. `directory` may be a link: it is looked up anew when the mount is opened. */
  | { path: string; kind: "pack"; directory: string }
  | { path: string; kind: "host"; directory: string; mode: "ro" | "rw" }
  /** A part of another pack's data. `subPath` is a path in that pack's root, `quota` what all of that root may hold. */
  | { path: string; kind: "data"; directory: string; subPath: string; mode: "ro" | "rw"; quota?: Quota }
  /** What may not be mounted: its path is taken, and whoever uses it hears why. */
  | { path: string; kind: "refused"; as: "host" | "data"; code: ErrorCode; reason: string };

export type TableEntry = { at: VfsPath; spec: MountSpec };

/**
 * The mount table: a pure function of what is to be mounted.
 *
 * @returns the entries, longest path first, so that the first that fits is the right one
 * @throws {AuroraError} `invalid-path` for a mount at the root or two at one path, `escape-refused` for one above it, `too-large`
 * for more than `MAX_MOUNTS`
 */
export function mountTable(specs: readonly MountSpec[]): TableEntry[] {
  if (specs.length > MAX_MOUNTS)
    throw new AuroraError(
      "too-large",
      `cannot mount ${specs.length} things: at most ${MAX_MOUNTS} are allowed`,
    );
  const entries = specs.map((spec) => ({ at: parseVfsPath(spec.path), spec }));
  const seen = new Set<string>();
  for (const { at } of entries) {
    if (at.relative === ".")
      throw new AuroraError("invalid-path", 'cannot mount anything at "/": the root is the pack\'s data');
    if (seen.has(at.relative))
      throw new AuroraError("invalid-path", `cannot mount two things at "${printableName(at.shown)}"`);
    seen.add(at.relative);
  }
  return entries.toSorted((a, b) => b.at.relative.length - a.at.relative.length);
}

/** Whether `path` is `above` or something below it. Whole names are compared: "/ab" is not below "/a". */
export function isAtOrBelow(path: string, above: string): boolean {
  return above === "." || path === above || path.startsWith(`${above}/`);
}

export type Located<M> = { mounted: M; path: VfsPath };

/** The mount that a path belongs to, and the path in it. Errors go on showing the path as the user knows it. */
export function locate<M extends { at: VfsPath }>(mounts: readonly M[], root: M, path: VfsPath): Located<M> {
  const mounted = mounts.find(({ at }) => isAtOrBelow(path.relative, at.relative));
  if (!mounted) return { mounted: root, path };
  const relative = path.relative.slice(mounted.at.relative.length + 1);
  return {
    mounted,
    path: {
      shown: path.shown,
      relative: relative === "" ? "." : relative,
      isDirectory: path.isDirectory || relative === "",
    },
  };
}

/** The names right below a directory that are there because of mounts. */
export function mountNamesIn(mounts: readonly { at: VfsPath }[], directory: VfsPath): string[] {
  const start = directory.relative === "." ? 0 : directory.relative.length + 1;
  const names = mounts
    .filter(({ at }) => at.relative !== directory.relative && isAtOrBelow(at.relative, directory.relative))
    .map(({ at }) => at.relative.slice(start).split("/", 1)[0] as string);
  return [...new Set(names)];
}

export type MountInfo = {
  path: string;
  kind: MountSpec["kind"];
  mode: "ro" | "rw";
  spec: MountSpec | undefined;
  /** Opens it where nothing has used it yet. Throws what keeps it from being opened. */
  space: () => { usage: Usage; freeBytes: number; quota: Quota };
};

/** Whether nobody may write to it. */
export function isReadOnly(spec: MountSpec): boolean {
  return spec.kind === "pack" || ((spec.kind === "host" || spec.kind === "data") && spec.mode === "ro");
}
