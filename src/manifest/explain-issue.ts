import type * as v from "valibot";

import { nearest } from "../system/nearest.ts";
import { kindOf } from "./known-keys.ts";
import { entryAt, nodeAt, type Path, pathText, quoted, type SourceNode } from "./source-node.ts";
import { type Fault } from "./source-text.ts";

/** What to write for the fields that every manifest has. */
const examples: Record<string, string> = {
  schema_version: 'schema_version: "aurora-manifest-v1"',
  pack: "pack:",
  id: 'id: "my-pack"',
  name: 'name: "My pack"',
  version: 'version: "1.0.0"',
};

const TWO_NUMBERS = "must hold exactly two numbers";
/** So much of a value is looked at for what to write instead. */
const MAX_WRITTEN = 128;

/** The path of a valibot issue. */
export function issuePath(issue: v.BaseIssue<unknown>): Path {
  return (issue.path ?? []).map(({ key }) => key as string | number);
}

/** Says what an issue of the schema means, where it is, and what to write instead. */
export function explainIssue(issue: v.BaseIssue<unknown>, root: SourceNode, text: string): Fault[] {
  const inner = innerIssues(issue);
  if (inner) return inner.flatMap((one) => explainIssue(one, root, text));
  const path = issuePath(issue);
  const node = nodeAt(root, path);
  if (node === undefined) return [missing(issue, path, root)];
  const { start, end } = node;
  const written = text.slice(start, Math.min(end, start + MAX_WRITTEN));
  const say = (rest: string, hint?: string): Fault[] => [
    { start, end, message: `${pathText(path)} ${rest}`, hint },
  ];

  if (issue.kind === "validation") {
    const isText = node.kind === "scalar" && typeof node.value === "string";
    return say(
      isText ? `${issue.message}, found ${kindOf(node)}` : issue.message,
      versionHint(path, written),
    );
  }
  switch (issue.type) {
    case "literal":
    case "picklist":
    case "variant": {
      const known = valuesOf(issue.expected);
      const wanted = known.length === 1 ? JSON.stringify(known[0]) : `one of ${known.join(", ")}`;
      const word = node.kind === "scalar" ? String(node.value) : "";
      const near = known.length === 1 ? undefined : nearest(word, known);
      return say(`must be ${wanted}, found ${kindOf(node)}`, near && `did you mean "${near}"?`);
    }
    case "string": {
      const isQuotable = node.kind === "scalar" && node.value !== null && node.isPlain;
      const hint = isQuotable
        ? (versionHint(path, written) ?? `put it in quotes: ${quoted(written)}`)
        : undefined;
      return say(
        `must be text, found ${isQuotable ? `the ${typeof node.value} ${written.slice(0, 40)}` : kindOf(node)}`,
        hint,
      );
    }
    case "boolean": {
      const word = node.kind === "scalar" ? String(node.value).toLowerCase() : "";
      const meant = ["yes", "on", "true"].includes(word)
        ? "true"
        : ["no", "off", "false"].includes(word)
          ? "false"
          : undefined;
      return say(`must be true or false, found ${kindOf(node)}`, meant && `write ${meant}`);
    }
    case "number": {
      const isNumber =
        node.kind === "scalar" && typeof node.value === "string" && /^\d+(\.\d+)?$/.test(node.value);
      return say(`must be a number, found ${kindOf(node)}`, isNumber ? "leave the quotes out" : undefined);
    }
    case "union":
      return say(`must be ${unionWords(issue.expected)}, found ${kindOf(node)}`);
    case "strict_tuple":
      if (issue.expected === "never")
        return [{ start, end, message: `${pathText(path.slice(0, -1))} ${TWO_NUMBERS}` }];
      return say(`must be a list of exactly two numbers, found ${kindOf(node)}`);
    default:
      return say(`must be ${issue.expected}, found ${kindOf(node)}`);
  }
}

/** Of a value that may be text or a list: when it is a list, what is wrong inside it. */
function innerIssues(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown>[] | undefined {
  if (issue.type !== "union" || !Array.isArray(issue.input)) return undefined;
  const inside = issue.issues?.filter((inner) => issuePath(inner).length > 0);
  if (!inside?.length) return undefined;
  return inside.map(
    (inner) => ({ ...inner, path: [...(issue.path ?? []), ...(inner.path ?? [])] }) as typeof inner,
  );
}

function missing(issue: v.BaseIssue<unknown>, path: Path, root: SourceNode): Fault {
  const parentPath = path.slice(0, -1);
  const parent = nodeAt(root, parentPath);
  const entry = entryAt(root, parentPath);
  const start = entry?.keyStart ?? parent?.start ?? 0;
  const end = entry?.keyEnd ?? start + 1;
  const name = path.at(-1);
  if (typeof name === "number") {
    const wanted = issue.type === "string" ? "must hold at least the file to run" : TWO_NUMBERS;
    return { start, end, message: `${pathText(parentPath)} ${wanted}` };
  }
  const example = parentPath.length <= 1 ? examples[String(name)] : undefined;
  const values = issue.type === "variant" ? valuesOf(issue.expected) : [];
  return {
    start,
    end,
    message: `${pathText(path)} is missing`,
    hint: example
      ? `add ${example}${parentPath.length === 1 ? ' under "pack"' : ""}`
      : values.length > 0
        ? `it is one of ${values.join(", ")}`
        : undefined,
  };
}

/** A version written as 1.2 is a number in YAML, and one of two parts is none: both lack what the hint adds. */
function versionHint(path: Path, written: string): string | undefined {
  if (path.join(".") !== "pack.version") return undefined;
  const parts = /^["']?[v=]?(\d+)(?:\.(\d+))?["']?$/.exec(written);
  if (parts) return `write "${parts[1]}.${parts[2] ?? 0}.0", in quotes`;
  const prefixed = /^["']?[v=](\d+\.\d+\.\d+[^"']*)/.exec(written);
  return prefixed ? `write "${prefixed[1]}"` : undefined;
}

/** valibot writes the values of a list as `("a" | "b")`. */
function valuesOf(expected: string | null): string[] {
  return [...(expected ?? "").matchAll(/"([^"]*)"/g)].map((match) => match[1] as string);
}

function unionWords(expected: string | null): string {
  if (expected?.includes("Array")) return "a file of the pack, or a list of the file and its arguments";
  return "text or a number";
}
