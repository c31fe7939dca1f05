import { AuroraError, systemReason } from "../errors.ts";
import { DiskMount } from "./disk-mount.ts";
import { DEFAULT_MEMORY_ENTRIES, MemoryMount } from "./memory-mount.ts";
import { isReadOnly, type MountSpec, mountTable } from "./mount-table.ts";
import { type Mount } from "./mount.ts";
import { printableName } from "./raw-name.ts";
import { vfsError } from "./vfs-error.ts";
import { parseVfsPath, type VfsPath } from "./vfs-path.ts";

/** Something that is mounted: opened at its first use, so that one that cannot be opened is in nobody's way. */
export class Mounted implements Disposable {
  readonly at: VfsPath;
  readonly spec: MountSpec | undefined;
  readonly isReadOnly: boolean;
  #mount: Mount | undefined;

  /** @param mount what is open already: the root */
  constructor(at: VfsPath, spec: MountSpec | undefined, mount?: Mount) {
    this.at = at;
    this.spec = spec;
    this.#mount = mount;
    this.isReadOnly = mount?.isReadOnly ?? (spec !== undefined && isReadOnly(spec));
  }

  /** @throws {AuroraError} `not-found` or `denied` where its directory cannot be opened, with the mount's path only */
  get mount(): Mount {
    this.#mount ??= openMount(this.spec as MountSpec, this.at);
    return this.#mount;
  }

  [Symbol.dispose](): void {
    this.#mount?.[Symbol.dispose]();
    this.#mount = undefined;
  }
}

/**
 * Adds mounts to those that are there. Longest path first.
 *
 * @throws {AuroraError} as `mountTable`; then none is added
 */
export function withMounts(specs: readonly MountSpec[], old: readonly Mounted[]): Mounted[] {
  const bySpec = new Map(old.map((mounted) => [mounted.spec, mounted]));
  const table = mountTable([...old.map(({ spec }) => spec as MountSpec), ...specs]);
  return table.map(({ at, spec }) => bySpec.get(spec) ?? new Mounted(at, spec));
}

function openMount(spec: MountSpec, at: VfsPath): Mount {
  switch (spec.kind) {
    case "memory": {
      const { sizeBytes, entries = DEFAULT_MEMORY_ENTRIES, directory } = spec;
      if (directory === undefined) return new MemoryMount(sizeBytes, entries);
      return openDirectory(at.shown, directory, { quota: { bytes: sizeBytes, entries } });
    }
    case "pack":
      // Stored trees may share files with each other, and nobody writes to them.
      return openDirectory(at.shown, spec.directory, { isReadOnly: true, hasOwnFilesOnly: false });
    case "host": {
      const isReadOnly = spec.mode === "ro";
      // What nobody writes to through here holds what its owner put there, and its links are his.
      return openDirectory(at.shown, spec.directory, { isReadOnly, hasOwnFilesOnly: !isReadOnly });
    }
    case "data": {
      const whole = openDirectory(at.shown, spec.directory, { quota: spec.quota ?? {} });
      try {
        return whole.subMount({ ...parseVfsPath(spec.subPath), shown: at.shown }, spec.mode === "ro");
      } catch (thrown) {
        whole[Symbol.dispose]();
        throw thrown;
      }
    }
    case "refused":
      throw vfsError(spec.code, at, "use", spec.reason);
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
    const [errorCode, reason] = ["ENOENT", "ENOTDIR", "ELOOP"].includes(code ?? "")
      ? (["not-found", "its directory is not there"] as const)
      : code === "EACCES"
        ? (["denied", "permission denied"] as const)
        : (["io", systemReason(thrown)] as const);
    if (reason === undefined) throw thrown;
    throw new AuroraError(errorCode, `cannot mount "${printableName(path)}": ${reason}`, { cause: thrown });
  }
}
