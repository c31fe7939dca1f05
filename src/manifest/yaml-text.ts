import {
  type Alias,
  Composer,
  isAlias,
  isScalar,
  isSeq,
  type Node,
  type ParsedNode,
  type Scalar,
  type YAMLError,
  type YAMLMap,
} from "yaml";

import { MAX_ALIASED_NODES, MAX_DEPTH } from "./limits.ts";
import { quoted, type SourceEntry, type SourceNode } from "./source-node.ts";
import { type Fault } from "./source-text.ts";
import { depthFault, yamlTokens } from "./yaml-tokens.ts";

/** What a reader made of a text: `syntax` faults leave no root, `faults` are those of single values. */
export type ReadText = { root: SourceNode | undefined; syntax: Fault[]; faults: Fault[] };

/**
 * Reads YAML 1.2 with the core schema. What a manifest does not need, and what has surprised people in other programs, is
 * refused: tags, merge keys, directives, a second document, keys that are no single word.
 */
export function readYaml(text: string): ReadText {
  const { tokens, faults } = yamlTokens(text);
  if (tokens === undefined) return { root: undefined, syntax: faults, faults: [] };
  const composer = new Composer({
    version: "1.2",
    schema: "core",
    merge: false,
    // The package compares every key with every other; ours looks them up.
    uniqueKeys: false,
    strict: true,
    prettyErrors: false,
    logLevel: "silent",
  });
  const documents = [...composer.compose(tokens, false, text.length)];
  const errors = documents.flatMap(({ errors }) => errors.map(syntaxFault));
  const syntax = onePerLine(text, [...faults, ...errors]);
  const contents = documents[0]?.contents as ParsedNode | null | undefined;
  if (syntax.length > 0 || !contents) return { root: undefined, syntax, faults: [] };
  const reader = new NodeReader();
  try {
    return { root: reader.read(contents, 1, 0), syntax: [], faults: reader.faults };
  } catch (thrown) {
    if (thrown instanceof TooMuch) return { root: undefined, syntax: [thrown.fault], faults: [] };
    throw thrown;
  }
}

/** Ends the reading at once: going on would cost what the limit is there to spare. */
class TooMuch extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** Turns the nodes of the yaml package into ours, each alias into a copy of what it stands for. */
class NodeReader {
  readonly faults: Fault[] = [];
  #aliasDepth = 0;
  #aliasedNodes = 0;
  readonly #anchors = new Map<string, Node>();
  /** What is being read: an alias to one of these would have no end. */
  readonly #open = new Set<Node>();

  /** @param at where a value that is left out would stand */
  read(node: ParsedNode | null, depth: number, at: number): SourceNode {
    const place = { start: node?.range[0] ?? at, end: node?.range[1] ?? at };
    if (this.#aliasDepth > 0 && ++this.#aliasedNodes > MAX_ALIASED_NODES)
      throw new TooMuch({
        ...place,
        message: `aliases stand for more than ${MAX_ALIASED_NODES} values here`,
      });
    if (node === null) return { ...place, kind: "scalar", value: null, isPlain: true };
    if (isAlias(node)) return this.#readAlias(node as Alias.Parsed, depth, place);
    if (node.anchor) this.#anchors.set(node.anchor, node);
    if (isScalar(node)) return { ...place, kind: "scalar", ...valueOf(node) };
    if (depth > MAX_DEPTH) throw new TooMuch(depthFault(place.start));
    this.#open.add(node);
    const read: SourceNode = isSeq(node)
      ? {
          ...place,
          kind: "list",
          items: node.items.map((item) => this.read(item as ParsedNode | null, depth + 1, place.end)),
        }
      : { ...place, kind: "map", entries: this.#readEntries(node, depth + 1) };
    this.#open.delete(node);
    return read;
  }

  #readEntries(map: YAMLMap.Parsed, depth: number): SourceEntry[] {
    const entries = new Map<string, SourceEntry>();
    for (const { key, value } of map.items) {
      const keyNode = key as ParsedNode | null;
      // A key that is left out is an empty one, somewhere before its colon: the value shows better where it is.
      const hasKey = keyNode !== null && keyNode.range[0] < keyNode.range[1];
      const [start, end] = (hasKey ? keyNode.range : value?.range) ?? map.range;
      const child = this.read(value, depth, end);
      if (!isScalar(keyNode) || keyNode.value === null) {
        this.#fault({ start, end, message: "a key has to be a single word" });
        continue;
      }
      // `1:` and `true:` are the names that they look like.
      const name = typeof keyNode.value === "string" ? keyNode.value : (keyNode.source ?? "");
      if (name === "<<" && keyNode.type === "PLAIN")
        this.#fault({
          start,
          end,
          message: 'merge keys ("<<") are not part of a manifest',
          hint: "write the keys out",
        });
      else if (entries.has(name)) this.#fault(duplicateKey(name, start, end));
      else entries.set(name, { key: name, keyStart: start, keyEnd: end, value: child });
    }
    return [...entries.values()];
  }

  #readAlias(alias: Alias.Parsed, depth: number, place: { start: number; end: number }): SourceNode {
    const target = this.#anchors.get(alias.source);
    if (target === undefined || this.#open.has(target)) {
      const reason = target === undefined ? "there is no such anchor before it" : "it holds itself";
      this.#fault({ ...place, message: `cannot resolve the alias ${quoted(`*${alias.source}`)}: ${reason}` });
      return { ...place, kind: "scalar", value: null, isPlain: true };
    }
    this.#aliasDepth++;
    const copy = this.read(target as ParsedNode, depth, place.start);
    this.#aliasDepth--;
    return { ...copy, ...place };
  }

  #fault(fault: Fault): void {
    // What an alias stands for is read again, and its faults have been reported.
    if (this.#aliasDepth === 0) this.faults.push(fault);
  }
}

/** The fault of a key that stands in its mapping for the second time. */
export function duplicateKey(name: string, start: number, end: number): Fault {
  const shown = JSON.stringify(name.slice(0, 60));
  return {
    start,
    end,
    message: `the key ${shown} stands here for the second time`,
    hint: "keep one of the two",
  };
}

function valueOf(node: Scalar): { value: string | number | boolean | null; isPlain: boolean } {
  const isPlain = node.type === "PLAIN";
  const { value } = node;
  const isKnown = value === null || ["string", "number", "boolean"].includes(typeof value);
  return { value: isKnown ? (value as string | number | boolean | null) : String(value), isPlain };
}

/** A slip often makes several errors of the parser on one line: the first says what is wrong. */
function onePerLine(text: string, faults: Fault[]): Fault[] {
  const shown: Fault[] = [];
  for (const fault of faults.toSorted((a, b) => a.start - b.start)) {
    const last = shown.at(-1);
    if (last === undefined || text.slice(last.start, fault.start).includes("\n")) shown.push(fault);
  }
  return shown;
}

/** The package quotes the text that it did not expect, however long. */
const MAX_FOREIGN_MESSAGE = 160;

function syntaxFault({ code, message, pos: [start, end] }: YAMLError): Fault {
  const [words, hint] = syntaxWords[code] ?? syntaxWords[message.split(" ", 2).join(" ")] ?? [];
  const foreign = `${message.charAt(0).toLowerCase()}${message.slice(1, MAX_FOREIGN_MESSAGE)}`;
  return { start, end, message: words ?? foreign, hint };
}

/** The errors of the yaml package that people meet, in our words: by code, or by how the message begins. */
const syntaxWords: Record<string, readonly [message: string, hint?: string] | undefined> = {
  TAB_AS_INDENT: ["tabs may not indent", "indent with spaces"],
  BLOCK_AS_IMPLICIT_KEY: [
    'a second ":" on one line makes a mapping inside a value',
    'put a value that holds ": " in quotes, or begin the mapping on its own line',
  ],
  MULTILINE_IMPLICIT_KEY: ["a key has to be on one line with its colon", 'write "key: value"'],
  BAD_SCALAR_START: ["no value may begin with @ or ` outside quotes", "put the value in quotes"],
  "Flow sequence": ['the closing "]" is missing, or stands too far to the left'],
  "Flow map": ['the closing "}" is missing, or stands too far to the left'],
  "All mapping": ["the keys of a mapping have to begin in the same column", "indent them alike"],
  "All sequence": ["the entries of a list have to begin in the same column", "indent them alike"],
  "Implicit map": ["a colon is missing after the key", 'write "key: value"'],
  "Missing closing": ["the closing quote is missing"],
  BAD_DQ_ESCAPE: [
    "there is no such escape in double quotes",
    'write "\\\\" for a backslash, or use single quotes',
  ],
};
