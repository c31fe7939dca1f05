import { AuroraError } from "../errors.ts";
import { DiskMount } from "./disk-mount.ts";
import { DEFAULT_MEMORY_ENTRIES, MemoryMount } from "./memory-mount.ts";
import { type MountSpec, mountTable } from "./mount-table.ts";
import { type Mount } from "./mount.ts";
import { parseVfsPath, type VfsPath } from "./vfs-path.ts";

export type Mounted = { at: VfsPath; spec: MountSpec | undefined; mount: Mount };

/**
 * Opens mounts and puts them among those that are open, longest path first.
 *
 * @param open those that are there already; changed
 * @throws {AuroraError} as `mountTable`, and `not-found` or `denied` where a directory cannot be opened; then none is added
 */
export function openMounts(specs: readonly MountSpec[], open: Mounted[] = []): Mounted[] {
  const old = open.flatMap(({ spec }) => (spec ? [spec] : []));
  const table = mountTable([...old, ...specs]);
  const fresh: Mounted[] = [];
  try {
    for (const spec of specs) fresh.push({ at: parseVfsPath(spec.path), spec, mount: openMount(spec) });
  } catch (thrown) {
    unmount(fresh);
    throw thrown;
  }
  const bySpec = new Map([...open, ...fresh].map((mounted) => [mounted.spec, mounted]));
  open.splice(0, open.length, ...table.map(({ spec }) => bySpec.get(spec) as Mounted));
  return open;
}

export function unmount(mounts: readonly Mounted[]): void {
  for (const { mount } of mounts) mount[Symbol.dispose]();
}

function openMount(spec: MountSpec): Mount {
  switch (spec.kind) {
    case "memory": {
      const { sizeBytes, entries = DEFAULT_MEMORY_ENTRIES, directory } = spec;
      if (directory === undefined) return new MemoryMount(sizeBytes, entries);
      return openDirectory(spec.path, directory, { quota: { bytes: sizeBytes, entries } });
    }
    case "pack":
      // Stored trees may share files with each other, and nobody writes to them.
      return openDirectory(spec.path, spec.directory, { isReadOnly: true, hasOwnFilesOnly: false });
    case "host": {
      const isReadOnly = spec.mode === "ro";
      // What nobody writes to through here holds what its owner put there, and its links are his.
      return openDirectory(spec.path, spec.directory, { isReadOnly, hasOwnFilesOnly: !isReadOnly });
    }
    case "data": {
      using other = openDirectory(spec.path, spec.directory, {});
      return other.subMount(parseVfsPath(spec.subPath), spec.mode === "ro");
    }
  }
}

/** Throws `not-found` or `denied` with the path of the mount, and never that of the machine. */
export function openDirectory(
  path: string,
  directory: string,
  options: ConstructorParameters<typeof DiskMount>[1],
): DiskMount {
  try {
    return new DiskMount(directory, options);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "EACCES" && code !== "ELOOP") throw thrown;
    const reason = code === "EACCES" ? "permission denied" : "its directory is not there";
    throw new AuroraError(code === "EACCES" ? "denied" : "not-found", `cannot mount "${path}": ${reason}`, {
      cause: thrown,
    });
  }
}
