import { AuroraError } from "../errors.ts";
import { readJson } from "./json-text.ts";
import { nodeAt, plainValue, type SourceNode } from "./source-node.ts";
import { readYaml } from "./yaml-text.ts";

type Edit = { start: number; end: number; text: string };
type MapNode = Extract<SourceNode, { kind: "map" }>;

const BYTE_ORDER_MARK = "\uFEFF";

/**
 * Writes checksums into the artifacts of a manifest. Everything else, comments and layout and line endings, stays byte for
 * byte; an artifact that has no `sha256` gets one behind its path.
 *
 * @param text a manifest that has been read without a fault
 * @param checksums 64 hex digits by path; artifacts whose path is not in it stay
 * @returns the new text: the same where every checksum stands there already
 * @throws {AuroraError} `manifest-invalid` where the text is written in a way that cannot be edited so, for example with an
 *   alias in place of an artifact
 */
export function editChecksums(
  text: string,
  format: "yaml" | "json",
  checksums: ReadonlyMap<string, string>,
): string {
  const mark = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : "";
  const body = text.slice(mark.length);
  const before = rootOf(body, format);
  const edits = new Map<number, Edit>();
  const expected = plainValue(before);
  for (const artifact of artifactsOf(before)) {
    const wanted = checksums.get(artifact.path);
    if (wanted === undefined) continue;
    expectedArtifact(expected, artifact.index)["sha256"] = wanted;
    const edit = artifact.sha256 === wanted ? undefined : editOf(body, format, artifact.node, wanted);
    if (edit) edits.set(edit.start, edit);
  }
  let result = body;
  for (const { start, end, text } of [...edits.values()].toSorted((a, b) => b.start - a.start))
    result = result.slice(0, start) + text + result.slice(end);
  if (!Bun.deepEquals(plainValue(rootOf(result, format)), expected)) refuse();
  return mark + result;
}

function rootOf(text: string, format: "yaml" | "json"): SourceNode {
  const { root, syntax, faults } = format === "json" ? readJson(text) : readYaml(text);
  return root === undefined || syntax.length > 0 || faults.length > 0 ? refuse() : root;
}

function refuse(): never {
  throw new AuroraError(
    "manifest-invalid",
    "cannot write the checksums: the artifacts are written in a way that cannot be edited",
    {
      hint: 'write each artifact out, without "&" and "*": - { path: "file", sha256: "" }',
    },
  );
}

type Artifact = { index: number; node: MapNode; path: string; sha256: unknown };

function artifactsOf(root: SourceNode): Artifact[] {
  const list = nodeAt(root, ["pack", "artifacts"]);
  if (list?.kind !== "list") return [];
  return list.items.flatMap((node, index) => {
    const { path, sha256 } = plainValue(node) as { path?: unknown; sha256?: unknown };
    return node.kind === "map" && typeof path === "string" ? [{ index, node, path, sha256 }] : [];
  });
}

function expectedArtifact(root: unknown, index: number): Record<string, unknown> {
  return (root as { pack: { artifacts: Record<string, unknown>[] } }).pack.artifacts[index] as Record<
    string,
    unknown
  >;
}

function editOf(
  text: string,
  format: "yaml" | "json",
  { entries, start }: MapNode,
  checksum: string,
): Edit | undefined {
  const old = entries.find(({ key }) => key === "sha256")?.value;
  if (old) return { start: old.start, end: old.end, text: `"${checksum}"` };
  const [first, last] = [entries[0], entries.at(-1)];
  const path = entries.find(({ key }) => key === "path");
  if (!first || !last || !path) return undefined;
  const name = format === "json" ? '"sha256"' : "sha256";
  if (text[start] === "{") {
    // Where the keys stand on lines of their own, so does the new one.
    const gap = text.slice(start + 1, first.keyStart);
    const separator = /^\s*\n\s*$/.test(gap) ? gap : " ";
    return { start: last.value.end, end: last.value.end, text: `,${separator}${name}: "${checksum}"` };
  }
  const line = /\r?\n|$/g;
  line.lastIndex = path.value.end;
  const end = line.exec(text);
  if (!end) return undefined;
  const column = path.keyStart - (text.lastIndexOf("\n", path.keyStart - 1) + 1);
  const ending = end[0] === "" ? (text.includes("\r\n") ? "\r\n" : "\n") : end[0];
  return { start: end.index, end: end.index, text: `${ending}${" ".repeat(column)}${name}: "${checksum}"` };
}
