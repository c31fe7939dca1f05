import { MAX_DEPTH } from "./limits.ts";
import { type SourceEntry, type SourceNode } from "./source-node.ts";
import { type Fault } from "./source-text.ts";
import { duplicateKey, type ReadText } from "./yaml-text.ts";
import { depthFault } from "./yaml-tokens.ts";

/** Reads strict JSON (RFC 8259), with the place of every value: JSON.parse tells none. */
export function readJson(text: string): ReadText {
  const reader = new JsonReader(text);
  try {
    return { root: reader.readAll(), syntax: [], faults: reader.faults };
  } catch (thrown) {
    if (thrown instanceof NotJson) return { root: undefined, syntax: [thrown.fault], faults: [] };
    throw thrown;
  }
}

class NotJson extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_.+-])/y;
const WORD = /[^\s,:[\]{}"]+/y;
const words: Record<string, boolean | null | undefined> = { true: true, false: false, null: null };

class JsonReader {
  readonly faults: Fault[] = [];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The one value of the text. An empty text has none. */
  readAll(): SourceNode | undefined {
    this.#skipSpace();
    if (this.#at === this.#text.length) return undefined;
    const root = this.#readValue(1);
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#refuse("nothing may follow the closing bracket of the manifest");
    return root;
  }

  #readValue(depth: number): SourceNode {
    const start = this.#at;
    const character = this.#text[start];
    if (character === "{" || character === "[") {
      if (depth > MAX_DEPTH) throw new NotJson(depthFault(start));
      this.#at++;
      if (character === "{") {
        const entries = this.#readEntries(depth + 1);
        return { start, end: this.#at, kind: "map", entries };
      }
      const items = this.#readItems(depth + 1);
      return { start, end: this.#at, kind: "list", items };
    }
    if (character === '"') {
      const value = this.#readString();
      return { start, end: this.#at, kind: "scalar", value, isPlain: false };
    }
    const number = this.#match(NUMBER);
    if (number !== undefined)
      return { start, end: this.#at, kind: "scalar", value: Number(number), isPlain: true };
    const word = this.#match(WORD);
    const value = word === undefined ? undefined : words[word];
    if (value !== undefined) return { start, end: this.#at, kind: "scalar", value, isPlain: true };
    this.#at = start;
    return this.#refuse("a value is missing or is no JSON", word ?? "");
  }

  #readItems(depth: number): SourceNode[] {
    const items: SourceNode[] = [];
    this.#readParts("]", () => items.push(this.#readValue(depth)));
    return items;
  }

  #readEntries(depth: number): SourceEntry[] {
    const entries = new Map<string, SourceEntry>();
    this.#readParts("}", () => {
      const keyStart = this.#at;
      if (this.#text[keyStart] !== '"') this.#refuse("a key in double quotes is missing", this.#peekWord());
      const key = this.#readString();
      const keyEnd = this.#at;
      this.#skipSpace();
      if (this.#text[this.#at] !== ":") this.#refuse('":" is missing after the key');
      this.#at++;
      this.#skipSpace();
      const value = this.#readValue(depth);
      if (entries.has(key)) this.faults.push(duplicateKey(key, keyStart, keyEnd));
      else entries.set(key, { key, keyStart, keyEnd, value });
    });
    return [...entries.values()];
  }

  /** What stands between two brackets, separated by commas. */
  #readParts(close: "]" | "}", readPart: () => void): void {
    this.#skipSpace();
    if (this.#text[this.#at] === close) {
      this.#at++;
      return;
    }
    for (;;) {
      readPart();
      this.#skipSpace();
      const character = this.#text[this.#at];
      if (character === close) break;
      if (character !== ",") this.#refuse(`"," or "${close}" is missing`);
      const comma = this.#at++;
      this.#skipSpace();
      if (this.#text[this.#at] === close) {
        this.#at = comma;
        this.#refuse(`JSON has no comma before "${close}"`);
      }
    }
    this.#at++;
  }

  #readString(): string {
    const raw = this.#match(STRING);
    if (raw !== undefined) return JSON.parse(raw) as string;
    const rest = /^"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/.exec(
      this.#text.slice(this.#at, this.#at + MAX_LOOK),
    );
    const stop = this.#at + (rest?.[0].length ?? 0);
    if (this.#text[stop] === "\\") {
      this.#at = stop;
      this.#refuse("there is no such escape in JSON");
    }
    return this.#refuse("the closing quote is missing on this line");
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #peekWord(): string {
    WORD.lastIndex = this.#at;
    return WORD.exec(this.#text)?.[0] ?? "";
  }

  #skipSpace(): void {
    this.#match(SPACE);
  }

  #refuse(message: string, word = ""): never {
    const start = this.#at;
    const rest = this.#text.slice(start, start + 2);
    const isComment = rest === "//" || rest === "/*" || rest.startsWith("#");
    const end = start + Math.max(1, word.length);
    if (isComment)
      throw new NotJson({
        start,
        end,
        message: "JSON has no comments",
        hint: "remove it, or write manifest.yaml",
      });
    if (start >= this.#text.length)
      throw new NotJson({ start, end, message: `the file ends too early: ${message}` });
    if (rest.startsWith("'"))
      throw new NotJson({ start, end, message: "JSON has no single quotes", hint: 'write "…"' });
    throw new NotJson({ start, end, message });
  }
}

/** So much of an unfinished string is looked at to say what is wrong with it. */
const MAX_LOOK = 65_536;
