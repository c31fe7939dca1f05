import * as v from "valibot";

import { AuroraError, type Diagnostic, type SourcePosition } from "../errors.ts";
import { findContradictions } from "./contradictions.ts";
import { explainIssue, issuePath } from "./explain-issue.ts";
import { readJson } from "./json-text.ts";
import { keepKnownKeys } from "./known-keys.ts";
import { MAX_FAULTS, MAX_MANIFEST_BYTES, SCHEMA_VERSION } from "./limits.ts";
import { type Manifest, manifestSchema } from "./schema.ts";
import { entryAt, nodeAt, type Path, plainValue, type SourceNode } from "./source-node.ts";
import { type Fault, type SourceText, sourceText } from "./source-text.ts";
import { readYaml } from "./yaml-text.ts";

export type ManifestFormat = "yaml" | "json";

export type ParsedManifest = {
  manifest: Manifest;
  warnings: Diagnostic[];
  /** Where the value at this path stands, or the nearest value around it. */
  positionOf: (path: Path) => SourcePosition | undefined;
};

/**
 * Reads the text of a manifest, checks it, and fills in its defaults.
 *
 * @param bytes the file's content, at most 1 MiB
 * @param file what messages call the file
 * @throws {AuroraError} `manifest-syntax` where it is no YAML or JSON, `manifest-invalid` where it does not follow the
 *   schema; with every fault as a diagnostic, in the order of the text
 */
export function parseManifest(bytes: Uint8Array, file: string, format: ManifestFormat): ParsedManifest {
  if (bytes.length > MAX_MANIFEST_BYTES) throw tooLarge(file);
  const source = sourceText(bytes, file);
  const { root, syntax, faults } = format === "yaml" ? readYaml(source.text) : readJson(source.text);
  if (syntax.length > 0) {
    const name = format === "yaml" ? "YAML" : "JSON";
    throw failure(
      "manifest-syntax",
      `cannot read the manifest "${file}": it is not proper ${name}`,
      source,
      syntax,
    );
  }
  if (root === undefined || (root.kind === "scalar" && root.value === null)) throw isEmpty(file);

  const known = keepKnownKeys(manifestSchema, root);
  const result = v.safeParse(manifestSchema, plainValue(known.node));
  const issues = (result.issues ?? []).filter(
    (issue) => !known.misfits.some((path) => isAt(issuePath(issue), path)),
  );
  const all = [
    ...faults,
    ...known.faults,
    ...issues.flatMap((issue) => explainIssue(issue, known.node, source.text)),
    ...findContradictions(known.node),
  ];
  if (all.length > 0 || !result.success)
    throw failure(
      "manifest-invalid",
      `cannot use the manifest "${file}": ${faultCount(all.length)}`,
      source,
      all,
    );
  return { manifest: result.output, warnings: [], positionOf: (path) => positionIn(source, root, path) };
}

/** The error of a manifest that is larger than one may be. */
export function tooLarge(file: string): AuroraError {
  return new AuroraError(
    "manifest-invalid",
    `cannot read the manifest "${file}": it is larger than ${MAX_MANIFEST_BYTES / 1024} KiB`,
  );
}

function isEmpty(file: string): AuroraError {
  return new AuroraError("manifest-invalid", `cannot use the manifest "${file}": it is empty`, {
    hint: `begin with schema_version: "${SCHEMA_VERSION}", or run aurora init`,
  });
}

function failure(
  code: "manifest-syntax" | "manifest-invalid",
  message: string,
  source: SourceText,
  faults: Fault[],
): AuroraError {
  const sorted = faults.toSorted((a, b) => a.start - b.start);
  const diagnostics = sorted.slice(0, MAX_FAULTS).map(({ message, start, end, hint }): Diagnostic => ({
    message,
    source: source.place(start, end),
    ...(hint === undefined ? {} : { hint }),
  }));
  return new AuroraError(code, message, { diagnostics });
}

function faultCount(count: number): string {
  if (count > MAX_FAULTS) return `it has ${count} faults, of which these are the first ${MAX_FAULTS}`;
  return count === 1 ? "it has a fault" : `it has ${count} faults`;
}

function positionIn(source: SourceText, root: SourceNode, path: Path): SourcePosition | undefined {
  for (let length = path.length; length >= 0; length--) {
    const part = path.slice(0, length);
    const node = nodeAt(root, part);
    if (!node) continue;
    const entry = entryAt(root, part);
    // Of something that is not there, or that goes over many lines, the key says where it would be.
    const isKey = entry !== undefined && (length < path.length || node.kind !== "scalar");
    return isKey ? source.place(entry.keyStart, entry.keyEnd) : source.place(node.start, node.end);
  }
  return undefined;
}

function isAt(path: Path, ancestor: Path): boolean {
  return ancestor.length <= path.length && ancestor.every((step, i) => path[i] === step);
}
