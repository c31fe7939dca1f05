import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, realpathSync } from "node:fs";
import { join } from "node:path";

import { AuroraError, type Diagnostic, systemReason } from "../errors.ts";
import { MAX_MANIFEST_BYTES } from "./limits.ts";
import { type ManifestFormat, type ParsedManifest, parseManifest, tooLarge } from "./parse.ts";

/** The names a manifest may have. The first that exists wins. */
export const MANIFEST_FILES = ["manifest.yaml", "manifest.yml", "manifest.json"] as const;
type ManifestFile = (typeof MANIFEST_FILES)[number];

/** What the formats of `autoscan.manifest_preference` stand for: .yml is YAML too. */
const filesOf: Record<"yaml" | "yml" | "json", readonly ManifestFile[]> = {
  yaml: ["manifest.yaml", "manifest.yml"],
  yml: ["manifest.yml"],
  json: ["manifest.json"],
};

/** A manifest that was read from a pack's directory. */
export type ReadManifest = ParsedManifest & {
  /** The file it was read from, as messages name it. */
  file: string;
  format: ManifestFormat;
  /** The bytes as they are on the disk. */
  bytes: Uint8Array;
};

/**
 * Reads and checks the manifest of a pack. Where there are several, `manifest.yaml` wins over `.yml` over `.json`, unless
 * the winner's `manifest_preference` names another first: then that one is read, and a warning says so.
 *
 * At most 1 MiB is read, and nothing is waited for: what is no regular file is refused.
 *
 * @param shownAs how messages call the directory; as it is given by default
 * @param seen what was read before under the same name: the same bytes are not parsed again
 * @throws {AuroraError} `manifest-missing`, `manifest-syntax`, `manifest-invalid`, `pack-invalid`, and `io`
 */
export function readManifest(
  directory: string,
  shownAs: string = directory,
  seen?: ReadManifest,
): ReadManifest {
  const present = MANIFEST_FILES.filter((name) => isThere(directory, name, shownAs));
  const winner = present[0];
  if (winner === undefined)
    throw new AuroraError("manifest-missing", `cannot find a manifest in "${shownAs}"`, {
      hint: `a pack has a ${MANIFEST_FILES.join(", ")}; aurora init writes one`,
    });
  const read = readOne(directory, winner, shownAs, seen);
  const preference = read.manifest.pack.autoscan.manifest_preference;
  const preferred = preference.flatMap((name) => filesOf[name]).find((name) => present.includes(name));
  if (preferred === undefined || preferred === winner) return read;
  const source = read.positionOf(["pack", "autoscan", "manifest_preference"]);
  const warning: Diagnostic = {
    message: `"${preferred}" is used: "${winner}" prefers it`,
    ...(source === undefined ? {} : { source }),
    hint: `remove "${winner}", or put its format first in manifest_preference`,
  };
  const chosen = readOne(directory, preferred, shownAs, seen);
  return { ...chosen, warnings: [warning, ...chosen.warnings] };
}

function readOne(
  directory: string,
  name: ManifestFile,
  shownAs: string,
  seen: ReadManifest | undefined,
): ReadManifest {
  const file = join(shownAs, name);
  const bytes = readBounded(insidePath(directory, name, file), file);
  if (seen?.file === file && Buffer.compare(seen.bytes, bytes) === 0) return { ...seen, warnings: [] };
  const format = name === "manifest.json" ? "json" : "yaml";
  return { ...parseManifest(bytes, file, format), file, format, bytes };
}

/** Also true for a dangling symlink: to pass over it would choose another manifest behind the author's back. */
function isThere(directory: string, name: string, shownAs: string): boolean {
  try {
    return lstatSync(join(directory, name), { throwIfNoEntry: false }) !== undefined;
  } catch (thrown) {
    throw refused(join(shownAs, name), systemReason(thrown) ?? String(thrown), "io", thrown);
  }
}

/** The file itself, where a symlink stands for it. */
function insidePath(directory: string, name: string, file: string): string {
  const path = join(directory, name);
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return path;
  try {
    const real = realpathSync(path);
    const root = realpathSync(directory);
    if (real.startsWith(root === "/" ? root : `${root}/`)) return real;
  } catch (thrown) {
    const reason = systemReason(thrown) ?? String(thrown);
    throw refused(file, `it is a symlink that cannot be followed: ${reason}`, "pack-invalid", thrown);
  }
  throw refused(file, "it is a symlink that leads out of the pack", "pack-invalid");
}

function readBounded(path: string, file: string): Uint8Array {
  let descriptor: number;
  try {
    // O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (thrown) {
    // A socket and a device without a driver answer ENXIO.
    const isSpecial = (thrown as NodeJS.ErrnoException).code === "ENXIO";
    const reason = isSpecial ? "it is no regular file" : (systemReason(thrown) ?? String(thrown));
    throw refused(file, reason, isSpecial ? "pack-invalid" : "io", thrown);
  }
  try {
    const stat = fstatSync(descriptor);
    if (stat.isDirectory()) throw refused(file, "it is a directory", "pack-invalid");
    if (!stat.isFile()) throw refused(file, "it is no regular file", "pack-invalid");
    if (stat.size > MAX_MANIFEST_BYTES) throw tooLarge(file);
    // One byte more than may be: a file that grows meanwhile, or that says 0 as those of /proc do, is bounded too.
    // Nothing is written into it but what is read: filling a mebibyte costs more than reading a manifest.
    const buffer = Buffer.allocUnsafeSlow(MAX_MANIFEST_BYTES + 1);
    let length = 0;
    for (;;) {
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return new Uint8Array(buffer.subarray(0, length));
  } catch (thrown) {
    if (thrown instanceof AuroraError) throw thrown;
    throw refused(file, systemReason(thrown) ?? String(thrown), "io", thrown);
  } finally {
    closeSync(descriptor);
  }
}

function refused(file: string, reason: string, code: "io" | "pack-invalid", cause?: unknown): AuroraError {
  return new AuroraError(code, `cannot read the manifest "${file}": ${reason}`, { cause });
}
