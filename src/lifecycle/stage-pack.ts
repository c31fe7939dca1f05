import { AuroraError, type Diagnostic } from "../errors.ts";
import { checkFiles } from "../manifest/check-pack.ts";
import { type ReadManifest, readManifest } from "../manifest/read.ts";
import { type Manifest } from "../manifest/schema.ts";
import { putTree } from "../store/put-tree.ts";
import { scanTree } from "../store/scan-tree.ts";
import { type ReadOptions, type ScannedTree, type TreeEntry } from "../store/tree-entry.ts";
import { type HomePaths } from "../system/home.ts";
import { cronFault } from "./cron-fault.ts";

/** A pack that was read and found good. */
export type CheckedPack = {
  manifest: Manifest;
  warnings: Diagnostic[];
  digest: string;
  files: number;
  bytes: number;
  entries: TreeEntry[];
};

/**
 * Puts a pack into the store, if it is one: manifest, files and checksums are those of the stored bytes, not of a source
 * that may change meanwhile.
 *
 * @param paths of a home that exists
 * @param source the pack's directory
 * @returns `reused` where the store held this very tree already
 * @throws {AuroraError} what is wrong with the manifest or the pack, all of it at once; `checksum-mismatch` where nothing
 *   else is; `no-space`, `io`, `interrupted`. The store is then as it was
 */
export async function stagePack(
  paths: HomePaths,
  source: string,
  options: ReadOptions = {},
): Promise<CheckedPack & { reused: boolean }> {
  // Before much is copied: a directory without a manifest is most likely the wrong one.
  const seen = readManifest(source);
  let checked: Pick<CheckedPack, "manifest" | "warnings"> | undefined;
  let scanned: ScannedTree | undefined;
  const { digest, files, bytes, reused } = await putTree(
    paths,
    source,
    (copy, tree) => {
      checked = check(copy, source, seen);
      scanned = tree;
      return { pack_id: checked.manifest.pack.id, manifest: checked.manifest };
    },
    options,
  );
  const { manifest, warnings } = checked as unknown as NonNullable<typeof checked>;
  const { entries } = scanned as unknown as ScannedTree;
  return { manifest, warnings, digest, files, bytes, entries, reused };
}

/** Reads a pack with the checks of `stagePack`, and changes nothing. Throws the same. */
export async function readPack(source: string, options: ReadOptions = {}): Promise<CheckedPack> {
  const checked = check(source, source);
  return { ...checked, ...(await scanTree(source, options)) };
}

/**
 * @param source how messages call the directory
 * @param seen the manifest as the source had it
 */
function check(
  directory: string,
  source: string,
  seen?: ReadManifest,
): Pick<CheckedPack, "manifest" | "warnings"> {
  const read = readManifest(directory, source, seen);
  const findings = checkFiles(directory, read, cronFault);
  const listed = (severity: "error" | "warning") =>
    findings
      .filter((finding) => finding.severity === severity)
      .map((finding) => placed(finding, directory, source));
  const errors = listed("error");
  if (errors.length === 0)
    return { manifest: read.manifest, warnings: [...read.warnings, ...listed("warning")] };
  const isOnlySums = findings.every(
    ({ severity, code }) => severity === "warning" || code === "checksum-mismatch",
  );
  throw new AuroraError(
    isOnlySums ? "checksum-mismatch" : "pack-invalid",
    `cannot use the pack "${source}": it is not as its manifest says`,
    { diagnostics: errors },
  );
}

/** The copy that was checked is gone when this is read: hints are about the source. */
function placed({ message, source: place, hint }: Diagnostic, directory: string, source: string): Diagnostic {
  return {
    message,
    ...(place && { source: place }),
    ...(hint !== undefined && { hint: hint.replaceAll(directory, source) }),
  };
}
