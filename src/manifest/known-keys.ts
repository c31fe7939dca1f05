import type * as v from "valibot";

import { nearest } from "../system/nearest.ts";
import { MAX_FAULTS } from "./limits.ts";
import { type Path, pathText, quoted, type SourceEntry, type SourceNode } from "./source-node.ts";
import { type Fault } from "./source-text.ts";

/** The parts of a valibot schema that lead to the schemas inside it. Pipes carry those of their first member. */
type Schema = {
  type: string;
  entries?: Record<string, Schema>;
  wrapped?: Schema;
  item?: Schema;
  key?: v.GenericSchema<string>;
  literal?: unknown;
  options?: readonly Schema[];
};

type Known = {
  /** The node without what no key of the schema names. */
  node: SourceNode;
  faults: Fault[];
  /** Paths whose value is of another kind than a mapping or a list: nothing more can be said of it. */
  misfits: Path[];
};

/** Keys that mean something to JavaScript's objects: valibot passes over them in a record, so they are refused here. */
const NEVER_KEYS = ["__proto__", "constructor", "prototype"];

/**
 * Finds the keys that the schema does not know, each with the nearest one that it does, and drops them together with those
 * that begin with `x-`. valibot reports one unknown key and stops there, and takes a list for an object.
 */
export function keepKnownKeys(schema: v.GenericSchema, root: SourceNode): Known {
  const faults: Fault[] = [];
  const misfits: Path[] = [];

  const misfit = (node: SourceNode, path: Path, wanted: string): SourceNode => {
    misfits.push(path);
    const subject = path.length === 0 ? "the manifest" : pathText(path);
    const isNothing = node.kind === "scalar" && node.value === null;
    faults.push({
      start: node.start,
      end: node.end,
      message: `${subject} must be ${wanted}, found ${kindOf(node)}`,
      hint: isNothing ? `remove the line, or write ${wanted === "a list" ? "[]" : "{}"}` : undefined,
    });
    return node;
  };

  const keep = (schema: Schema, node: SourceNode, path: Path): SourceNode => {
    if (schema.wrapped) {
      const isNone = node.kind === "scalar" && node.value === null && schema.type === "nullable";
      return isNone ? node : keep(schema.wrapped, node, path);
    }
    switch (schema.type) {
      case "strict_object":
        if (node.kind !== "map") return misfit(node, path, "a mapping");
        return { ...node, entries: keepEntries(schema.entries ?? {}, node.entries, path) };
      case "variant": {
        if (node.kind !== "map") return misfit(node, path, "a mapping");
        const type = node.entries.find(({ key }) => key === "type")?.value;
        const chosen = schema.options?.find(
          ({ entries }) => type?.kind === "scalar" && entries?.["type"]?.literal === type.value,
        );
        return chosen ? keep(chosen, node, path) : node;
      }
      case "record":
        if (node.kind !== "map") return misfit(node, path, "a mapping");
        return { ...node, entries: node.entries.filter((entry) => !isNever(entry, path)) };
      case "array":
        if (node.kind !== "list") return misfit(node, path, "a list");
        return {
          ...node,
          items: node.items.map((item, i) => keep(schema.item as Schema, item, [...path, i])),
        };
      default:
        return node;
    }
  };

  const isNever = ({ key, keyStart, keyEnd }: SourceEntry, path: Path): boolean => {
    if (!NEVER_KEYS.includes(key)) return false;
    faults.push({ start: keyStart, end: keyEnd, message: `${pathText(path)} may not have the key "${key}"` });
    return true;
  };

  const keepEntries = (known: Record<string, Schema>, entries: SourceEntry[], path: Path): SourceEntry[] =>
    entries.flatMap((entry) => {
      const { key, keyStart, keyEnd, value } = entry;
      if (key.startsWith("x-")) return [];
      if (Object.hasOwn(known, key))
        return [{ ...entry, value: keep(known[key] as Schema, value, [...path, key]) }];
      const place = path.length === 0 ? "the manifest" : pathText(path);
      faults.push({
        start: keyStart,
        end: keyEnd,
        message: `unknown key ${quoted(key)} in ${place}`,
        // Past that the hints are not shown, and each takes a comparison with every known key.
        hint: faults.length < MAX_FAULTS ? hintFor(key, known, path) : undefined,
      });
      return [];
    });

  const node = keep(schema as unknown as Schema, root, []);
  return { node, faults, misfits };
}

function hintFor(key: string, known: Record<string, Schema>, path: Path): string {
  if (path.length === 0 && Object.hasOwn(known["pack"]?.entries ?? {}, key))
    return 'all fields but "schema_version" stand under "pack"';
  const near = nearest(key.slice(0, 64), Object.keys(known));
  if (near !== undefined) return `did you mean "${near}"?`;
  return `known here: ${Object.keys(known).join(", ")}; keys of your own begin with "x-"`;
}

/** What a node is, for "found …". */
export function kindOf(node: SourceNode): string {
  if (node.kind === "list") return "a list";
  if (node.kind === "map") return "a mapping";
  if (node.value === null) return "nothing";
  if (typeof node.value === "string") return quoted(node.value);
  if (typeof node.value === "boolean") return String(node.value);
  return Number.isFinite(node.value) ? "a number" : "no finite number";
}
