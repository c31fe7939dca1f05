import { type Manifest } from "../manifest/schema.ts";
import { noPermissions, permissionGrowth, permissionsOf, raisedLimits } from "./permissions.ts";
import { outsideMounts, type PlannedMount } from "./planned-mounts.ts";

/**
 * What a pack may now and could not before, in words: this, and nothing else, has to be approved anew. Pure.
 *
 * @param before the generation that is live; undefined where none is
 */
export function growthOf(
  before: { manifest: Manifest; allowAll: boolean } | undefined,
  manifest: Manifest,
  allowAll: boolean,
): string[] {
  const mounts = mountGrowth(before?.manifest, manifest);
  if (allowAll) return [...(before?.allowAll === true ? [] : ["do anything (--allow-all)"]), ...mounts];
  const wasRequired = before?.manifest.pack.permissions.confinement === "required";
  const isRequired = manifest.pack.permissions.confinement === "required";
  const granted = before ? permissionsOf(before.manifest) : noPermissions;
  return [
    ...permissionGrowth(granted, permissionsOf(manifest)),
    ...raisedLimits(before?.manifest.pack.limits, manifest.pack.limits),
    ...(wasRequired && !isRequired ? ["run where it cannot be confined"] : []),
    ...mounts,
  ];
}

/** Mounts of what the live generation does not mount, or may only read: a pack gets them under whatever path it likes. */
function mountGrowth(before: Manifest | undefined, manifest: Manifest): string[] {
  const known = before ? outsideMounts(before) : [];
  return outsideMounts(manifest)
    .filter((mount) => !known.some((old) => isSamePlace(old, mount) && [mount.mode, "rw"].includes(old.mode)))
    .map(
      ({ from, source, path, mode }) =>
        `mount ${source}${from === null ? "" : ` of the data of ${from}`} at ${path}${mode === "rw" ? ", writable" : ""}`,
    );
}

function isSamePlace(a: PlannedMount, b: PlannedMount): boolean {
  return a.type === b.type && a.from === b.from && a.source === b.source;
}
