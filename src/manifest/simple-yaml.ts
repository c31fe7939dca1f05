import { type SourceEntry, type SourceNode } from "./source-node.ts";

/*
 * Most manifests need little of YAML: mappings and lists by indentation, or on one line in braces and brackets, of plain words,
 * whole numbers and text in quotes. That much is read here, in a fifth of the time that the yaml package takes in a program that has
 * just started. Whatever is not certain is left to the package: what is returned here is what it returns
 * (test/manifest/simple-yaml.test.ts).
 */

/** Printable ASCII: no tabs, no carriage returns, nothing that looks like something else. */
const SIMPLE_TEXT = /^[\n\u0020-\u007e]*$/;
const MAX_LENGTH = 64 * 1024;
const MAX_DEPTH = 8;

const SPACES = / */y;
const DASH = /- (?! )/y;
const KEY = /([a-z][a-z0-9_]{0,62}):(?=[ \n]|$)/y;
/** The rest of a line that holds nothing more. A comment stands behind a space, or at the beginning. */
const END_OF_LINE = / *(?:(?<= |^|\n)#[^\n]*)?(?:\n|$)/y;
const QUOTED = /"([^"\\\n]*)"|'([^'\n]*)'/y;
/** Begins with a letter, so that it is no number, and holds nothing that means something in YAML. */
const BLOCK_WORDS = /[A-Za-z][\w./()'+-]*,?(?: [\w./()'+-]+,?)*/y;
const FLOW_WORDS = /[A-Za-z][\w./-]*(?: [\w./-]+)*/y;
const VERSION = /\d+\.\d+\.\d+(?:-[\w.-]+)?/y;
const INTEGER = /(?:0|[1-9]\d{0,14})(?![\w.+-])/y;
const CONSTANTS = new Map<string, boolean | null>([
  ["true", true],
  ["false", false],
  ["null", null],
]);
/** Other spellings of those. */
const CONSTANT_LIKE = /^(?:true|false|null)$/i;

/**
 * Reads a YAML text that is simple.
 *
 * @returns its root, a mapping, without the places of its values: all are 0; undefined where it is not simple, or not right
 */
export function readSimpleYaml(text: string): SourceNode | undefined {
  if (text.length > MAX_LENGTH || !SIMPLE_TEXT.test(text)) return undefined;
  try {
    return new SimpleReader(text).read();
  } catch (thrown) {
    if (thrown instanceof NotSimple) return undefined;
    throw thrown;
  }
}

class NotSimple extends Error {}

/** A line that holds something, up to its value. */
type Line = { indent: number; isItem: boolean; key: string | undefined };

class SimpleReader {
  readonly #text: string;
  #at = 0;
  /** What comes next, its indentation and key already passed; undefined at the end. */
  #line: Line | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  read(): SourceNode {
    this.#next();
    if (this.#line?.indent !== 0 || this.#line.isItem) throw new NotSimple();
    const root = this.#readMap(0, 1);
    if (this.#line) throw new NotSimple();
    return root;
  }

  /** Passes over empty lines and comments, to the next line that holds something. */
  #next(): void {
    this.#line = undefined;
    while (this.#at < this.#text.length) {
      if (this.#take(END_OF_LINE) !== undefined) continue;
      const indent = this.#take(SPACES)?.length ?? 0;
      const isItem = this.#take(DASH) !== undefined;
      const key = this.#take(KEY)?.slice(0, -1);
      if (!isItem && key === undefined) throw new NotSimple();
      this.#line = { indent, isItem, key };
      return;
    }
  }

  #readBlock(indent: number, depth: number): SourceNode {
    return this.#line?.isItem ? this.#readList(indent, depth) : this.#readMap(indent, depth);
  }

  #readMap(indent: number, depth: number): SourceNode {
    refuseDepth(depth);
    const entries: SourceEntry[] = [];
    while (this.#line?.indent === indent && !this.#line.isItem) {
      const key = this.#line.key as string;
      addEntry(entries, key, this.#readValue(indent, depth));
    }
    return { ...nowhere, kind: "map", entries };
  }

  /** What stands behind a key: on its line, or below it. */
  #readValue(indent: number, depth: number): SourceNode {
    if (this.#take(END_OF_LINE) === undefined) return this.#readInLine(indent, depth);
    this.#next();
    const below = this.#line;
    // A list may stand in the same column as its key.
    const isBelow = below && (below.indent > indent || (below.indent === indent && below.isItem));
    return isBelow ? this.#readBlock(below.indent, depth + 1) : scalar(null);
  }

  #readList(indent: number, depth: number): SourceNode {
    refuseDepth(depth);
    const items: SourceNode[] = [];
    while (this.#line?.indent === indent && this.#line.isItem) {
      if (this.#line.key === undefined) items.push(this.#readInLine(indent, depth));
      else {
        // The rest of the item's line is the first of a mapping, which goes on in the column behind the dash.
        this.#line = { ...this.#line, indent: indent + 2, isItem: false };
        items.push(this.#readMap(indent + 2, depth + 1));
      }
    }
    return { ...nowhere, kind: "list", items };
  }

  /** A value that ends with its line. What is indented deeper below it would be a part of it. */
  #readInLine(indent: number, depth: number): SourceNode {
    this.#take(SPACES);
    const value = this.#readFlow(depth + 1, BLOCK_WORDS);
    if (this.#take(END_OF_LINE) === undefined) throw new NotSimple();
    this.#next();
    if (this.#line && this.#line.indent > indent) throw new NotSimple();
    return value;
  }

  #readFlow(depth: number, words: RegExp): SourceNode {
    refuseDepth(depth);
    const first = this.#text[this.#at];
    if (first === "[") {
      const items: SourceNode[] = [];
      this.#readUntil("]", () => items.push(this.#readFlow(depth + 1, FLOW_WORDS)));
      return { ...nowhere, kind: "list", items };
    }
    if (first === "{") {
      const entries: SourceEntry[] = [];
      this.#readUntil("}", () => {
        const key = this.#take(KEY)?.slice(0, -1);
        if (key === undefined || this.#take(SPACES) === undefined) throw new NotSimple();
        addEntry(entries, key, this.#readFlow(depth + 1, FLOW_WORDS));
      });
      return { ...nowhere, kind: "map", entries };
    }
    const quoted = this.#take(QUOTED);
    if (quoted !== undefined) return scalar(quoted.slice(1, -1), false);
    const text = this.#take(VERSION);
    if (text !== undefined) return scalar(text);
    const integer = this.#take(INTEGER);
    if (integer !== undefined) return scalar(Number(integer));
    const word = this.#take(words);
    if (word === undefined) throw new NotSimple();
    const constant = CONSTANTS.get(word);
    if (constant !== undefined) return scalar(constant);
    if (CONSTANT_LIKE.test(word)) throw new NotSimple();
    return scalar(word);
  }

  /** What stands in braces or brackets, on one line, between commas. */
  #readUntil(end: string, readOne: () => void): void {
    this.#at++;
    this.#take(SPACES);
    while (this.#text[this.#at] !== end) {
      readOne();
      this.#take(SPACES);
      if (this.#text[this.#at] === ",") {
        this.#at++;
        this.#take(SPACES);
        if (this.#text[this.#at] === end) throw new NotSimple();
      } else if (this.#text[this.#at] !== end) throw new NotSimple();
    }
    this.#at++;
  }

  /** The text that a pattern finds right here, which is passed; undefined where it finds none. */
  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
}

const nowhere = { start: 0, end: 0 };

function scalar(value: string | number | boolean | null, isPlain = true): SourceNode {
  return { ...nowhere, kind: "scalar", value, isPlain };
}

function addEntry(entries: SourceEntry[], key: string, value: SourceNode): void {
  if (CONSTANTS.has(key) || entries.some((entry) => entry.key === key)) throw new NotSimple();
  entries.push({ key, keyStart: 0, keyEnd: 0, value });
}

function refuseDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw new NotSimple();
}
