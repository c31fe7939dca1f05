import { type CST, Lexer, Parser } from "yaml";

import { MAX_DEPTH, MAX_TOKENS } from "./limits.ts";
import { quoted } from "./source-node.ts";
import { type Fault } from "./source-text.ts";

/** On the parser's stack lie the document, the collections, and what is being read in the innermost one. */
const STACK_BESIDE_COLLECTIONS = 2;

/**
 * Splits a YAML text into the tokens of its documents, and looks at them before they are composed: the composer calls
 * itself for each level, so a deep text would end it, and it needs some kilobytes for each token.
 *
 * @returns the tokens, and what a manifest may not hold: more than 32 levels, tags, directives, a second document. Of a
 *   text that is too deep or too large there are no tokens.
 */
export function yamlTokens(text: string): { tokens: CST.Token[] | undefined; faults: Fault[] } {
  const tokens: CST.Token[] = [];
  const parser = new Parser();
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (++count > MAX_TOKENS)
      return {
        tokens: undefined,
        faults: [
          { ...spot(parser.offset), message: `there are more than ${MAX_TOKENS} words and signs up to here` },
        ],
      };
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > MAX_DEPTH + STACK_BESIDE_COLLECTIONS)
      return { tokens: undefined, faults: [depthFault(parser.offset)] };
  }
  for (const token of parser.end()) tokens.push(token);
  return { tokens, faults: refusedTokens(tokens) };
}

function refusedTokens(tokens: readonly CST.Token[]): Fault[] {
  const faults: Fault[] = [];
  let documents = 0;
  for (const token of tokens) {
    if (token.type === "document" && ++documents === 2) {
      const start = token.start[0]?.offset ?? token.offset;
      faults.push({
        message: "a second document begins here, and a manifest is one",
        start,
        end: start + 3,
        hint: 'remove "---" and what follows it',
      });
    }
    const waiting = [token];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const fault = refusedToken(next);
      if (fault) faults.push(fault);
      for (const child of childrenOf(next)) waiting.push(child);
    }
  }
  return faults;
}

function spot(start: number): { start: number; end: number } {
  return { start, end: start + 1 };
}

/** The fault of a value that lies too deep. */
export function depthFault(start: number): Fault {
  return { ...spot(start), message: `this is nested deeper than ${MAX_DEPTH} levels` };
}

function refusedToken(token: CST.Token): Fault | undefined {
  if (token.type === "tag")
    return {
      message: `tags such as ${quoted(token.source)} are not part of a manifest`,
      start: token.offset,
      end: token.offset + token.source.length,
      hint: "leave the tag out, and put text in quotes",
    };
  if (token.type === "directive")
    return {
      message: "directives are not part of a manifest: it is YAML 1.2",
      start: token.offset,
      end: token.offset + token.source.length,
      hint: "remove this line",
    };
  return undefined;
}

function* childrenOf(token: CST.Token): Generator<CST.Token> {
  if (token.type === "document") {
    yield* token.start;
    if (token.value) yield token.value;
  }
  if (!("items" in token)) return;
  for (const item of token.items) {
    yield* item.start;
    if (item.key) yield item.key;
    if (item.sep) yield* item.sep;
    if (item.value) yield item.value;
  }
}
