import { accessSync, chmodSync, chownSync, constants, realpathSync, rmSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";

import { AuroraError, systemReason, toAuroraError } from "../errors.ts";
import { editChecksums } from "../manifest/edit-checksums.ts";
import { MANIFEST_FILES, type ReadManifest, readManifest } from "../manifest/read.ts";
import { scanTree } from "../store/scan-tree.ts";
import { type ScannedTree } from "../store/tree-entry.ts";
import { createFile, renameDurably, TEMPORARY_PREFIX } from "../system/durable.ts";
import { shellWord } from "../system/shell-word.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { resolveSource } from "./shared/sources.ts";

type Artifact = { path: string; sha256: string; changed: boolean };
type Result = { pack_id: string; digest: string; artifacts: Artifact[] };

export async function run(
  context: Context,
  { args: [source = ""], options }: Input<"check">,
): Promise<Result> {
  const directory = resolveSource(context, source);
  const read = readManifest(directory);
  for (const { message } of read.warnings) context.log.warn(message);
  const scanned = await scanTree(directory, { signal: context.signal });
  const checksums = checksumsOf(read, scanned);
  const artifacts = read.manifest.pack.artifacts.map(({ path, sha256 }) => {
    const now = checksums.get(path) as string;
    return { path, sha256: now, changed: now !== sha256 };
  });
  const pack_id = read.manifest.pack.id;
  const changed = artifacts.filter((artifact) => artifact.changed);
  if (changed.length === 0) return { pack_id, digest: scanned.digest, artifacts };
  if (options.check === true) throw notSealed(read, changed, directory);
  writeManifest(read, checksums);
  const { digest } = await scanTree(directory, { signal: context.signal });
  return { pack_id, digest, artifacts };
}

export function render({ pack_id, digest, artifacts }: Result, paint: Paint): string {
  const changed = artifacts.filter((artifact) => artifact.changed);
  const total = `${artifacts.length} ${artifacts.length === 1 ? "artifact" : "artifacts"}`;
  const lines = changed.map(({ path, sha256 }) => `${paint.dim(sha256)}  ${path}`);
  const summary =
    artifacts.length === 0
      ? `${pack_id} has no artifacts to seal`
      : changed.length === 0
        ? `${pack_id} is sealed: ${total}`
        : `${pack_id}: sealed ${changed.length} of ${total}`;
  return [...lines, summary, digest].join("\n");
}

/** The checksum of every artifact, where each is a file of the pack. */
function checksumsOf(
  { manifest, positionOf, file }: ReadManifest,
  { entries }: ScannedTree,
): Map<string, string> {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  const sums = new Map<string, string>();
  const diagnostics = manifest.pack.artifacts.flatMap(({ path }, i) => {
    const source = positionOf(["pack", "artifacts", i, "path"]);
    const refuse = (message: string) => [{ message, ...(source && { source }) }];
    const name = path
      .split("/")
      .filter((step) => step !== "." && step !== "")
      .join("/");
    const sha256 = byPath.get(name)?.sha256;
    if (MANIFEST_FILES.some((manifestFile) => manifestFile === name))
      return refuse(`"${path}" cannot be an artifact: it would hold its own checksum`);
    if (typeof sha256 !== "string")
      return refuse(`"${path}" ${byPath.has(name) ? "is no regular file" : "is not in the pack"}`);
    sums.set(path, sha256);
    return [];
  });
  if (diagnostics.length > 0)
    throw new AuroraError("pack-invalid", `cannot seal "${file}": not every artifact is a file of the pack`, {
      diagnostics,
    });
  return sums;
}

function notSealed(
  { file, manifest, positionOf }: ReadManifest,
  changed: readonly Artifact[],
  directory: string,
): AuroraError {
  const recorded = new Map(
    manifest.pack.artifacts.map(({ path, sha256 }, i) => [path, { i, isSealed: sha256 !== "" }]),
  );
  return new AuroraError(
    "checksum-mismatch",
    `"${file}" is not sealed: ${changed.length} of ${manifest.pack.artifacts.length} checksums are not those of the files`,
    {
      diagnostics: changed.map(({ path }) => {
        const { i, isSealed } = recorded.get(path) as { i: number; isSealed: boolean };
        const source = positionOf(["pack", "artifacts", i, "sha256"]) ?? positionOf(["pack", "artifacts", i]);
        return {
          message: `"${path}" ${isSealed ? "has another checksum" : "is not sealed"}`,
          ...(source && { source }),
        };
      }),
      hint: `aurora seal ${shellWord(directory)}`,
    },
  );
}

/** Where the manifest is a symlink to a file of the pack, that file is rewritten and the symlink stays. */
function writeManifest({ file, format, bytes }: ReadManifest, checksums: ReadonlyMap<string, string>): void {
  const text = editChecksums(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), format, checksums);
  try {
    const path = realpathSync(file);
    // A rename needs no right to the file itself: who may not write to it has to be asked for here.
    accessSync(path, constants.W_OK);
    replaceKeepingOwner(path, text);
  } catch (thrown) {
    const reason = systemReason(thrown);
    if (reason === undefined || (thrown as NodeJS.ErrnoException).code === "ENOSPC")
      throw toAuroraError(thrown);
    throw new AuroraError("io", `cannot write "${file}": ${reason}`, {
      cause: thrown,
      hint: "seal it as the user who owns the pack",
    });
  }
}

/** Replaces a file that may be somebody else's (sealed under sudo), whatever the umask: mode and owner stay. */
function replaceKeepingOwner(path: string, text: string): void {
  const { mode, uid, gid } = statSync(path);
  const temporary = `${dirname(path)}/${TEMPORARY_PREFIX}${process.pid}.${basename(path)}`;
  try {
    createFile(temporary, text, 0o600);
    const made = statSync(temporary);
    if (made.uid !== uid || made.gid !== gid) chownSync(temporary, uid, gid);
    chmodSync(temporary, mode & 0o7777);
    renameDurably(temporary, path);
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw thrown;
  }
}
