import { type Options, type OptionSpec } from "../commands/command.ts";
import { globalOptions } from "../commands/shared/global-options.ts";
import { AuroraError } from "../errors.ts";
import { nearest } from "../system/nearest.ts";

/**
 * cac 7.1 (a) lets a hyphenated flag swallow the next word, (b) turns "1.10" into the number 1.1, (c) reads "-" and
 * "-5" as options. So argv is put into a form in which none of this can happen: every option one `--o_name` token,
 * every value and every positional word behind a mark that keeps it text.
 */
const MARK = "\0";

export type SplitArgv = {
  /** The command's words as typed: [] for none, one or two for a known command, else the unknown word. */
  name: string[];
  /** The words left, still in order: options and positionals. */
  words: string[];
  /** What stood behind `--`. */
  rest: string[] | undefined;
  /** For a command that passes its arguments through: all of them, as they stand. */
  passed: string[];
};

/**
 * Finds the command among the words. Options may stand before it, so their values must be skipped.
 *
 * @param isCommand true for "install" and for "vfs ls"
 * @param isGroup true for the first word of two-word commands: "vfs"
 * @param takesValue true for an option as typed, "--to" or "-n", whose value is the next word
 * @param isPassthrough true for a command whose arguments are not Aurora's to read: "run"
 */
export function splitArgv(
  argv: readonly string[],
  isCommand: (name: string) => boolean,
  isGroup: (word: string) => boolean,
  isPassthrough: (name: string) => boolean = () => false,
  takesValue: (word: string) => boolean = isValuedIn([globalOptions]),
): SplitArgv {
  const end = argv.indexOf("--");
  const words = argv.slice(0, end === -1 ? argv.length : end);
  const rest = end === -1 ? undefined : argv.slice(end + 1);
  const first = skipOptions(words, 0, takesValue);
  const name = words[first];
  const passed: string[] = [];
  if (name === undefined) return { name: [], words: [...words], rest, passed };
  if (isPassthrough(name)) {
    const start = skipOptions(words, first + 1, takesValue);
    const own = [...words.slice(0, first), ...words.slice(first + 1, start)];
    const skipped = argv[start] === "--" ? start + 1 : start;
    return { name: [name], words: own, rest: undefined, passed: argv.slice(skipped) };
  }
  const before = words.slice(0, first);
  const second = skipOptions(words, first + 1, takesValue);
  // "daemon" is a command, and the first word of others.
  const isAlone = isCommand(name) && !isCommand(`${name} ${words[second]}`);
  if (!isGroup(name) || isAlone || second === words.length)
    return { name: [name], words: [...before, ...words.slice(first + 1)], rest, passed };
  return {
    name: [name, words[second] as string],
    words: [...before, ...words.slice(first + 1, second), ...words.slice(second + 1)],
    rest,
    passed,
  };
}

/**
 * Tells whether an option is followed by its value, before it is known which command it belongs to: so says every command
 * that has it.
 */
export function isValuedIn(optionSets: readonly Options[]): (word: string) => boolean {
  return (word) => {
    const found = optionSets.flatMap((options) =>
      Object.entries(options).filter(
        ([name, { short }]) => word === `--${name}` || (short !== undefined && word === `-${short}`),
      ),
    );
    return (
      found.length > 0 &&
      found.every(([, { value, optionalValue }]) => value !== undefined && optionalValue !== true)
    );
  };
}

/** The place of the first word from `start` on that is neither an option nor the value of one. */
function skipOptions(words: readonly string[], start: number, takesValue: (word: string) => boolean): number {
  let place = start;
  while (place < words.length && (words[place] ?? "").startsWith("-"))
    place += takesValue(words[place] ?? "") ? 2 : 1;
  return Math.min(place, words.length);
}

/**
 * Puts the words of one command into the form that cac cannot misread. Throws `usage` with the nearest known option.
 *
 * @param hint where none is near
 */
export function encodeArgv(
  words: readonly string[],
  options: Options,
  hint = "--help lists the options",
): string[] {
  const flags: string[] = [];
  const positionals: string[] = [];
  const shorts = new Map(
    Object.entries(options).flatMap(([name, { short }]) => (short ? [[short, name] as const] : [])),
  );

  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    const long = /^--([^=]+)(?:=(.*))?$/s.exec(word);
    const short = /^-([A-Za-z])(.*)$/s.exec(word);
    if (!long && !short) {
      positionals.push(MARK + word);
      continue;
    }
    let name: string;
    let inline: string | undefined;
    if (long) [, name, inline] = long as unknown as [string, string, string | undefined];
    else {
      const letter = short?.[1] as string;
      name = shorts.get(letter) ?? unknownOption(`-${letter}`, [], hint);
      const tail = short?.[2] as string;
      if (tail !== "" && options[name]?.value === undefined)
        words = [...words.slice(0, i + 1), `-${tail}`, ...words.slice(i + 1)];
      else if (tail !== "") inline = tail.replace(/^=/, "");
    }
    const spec: OptionSpec | undefined = Object.hasOwn(options, name) ? options[name] : undefined;
    if (!spec) unknownOption(`--${name}`, Object.keys(options), hint);
    else if (spec.value === undefined) {
      if (inline !== undefined) throw new AuroraError("usage", `option --${name} takes no value`);
      flags.push(`--${optionKey(name)}`);
    } else if (spec.optionalValue) {
      // `--approve=$DIGEST` with a variable that is not set must not approve whatever there is.
      if (inline === "")
        throw new AuroraError("usage", `option --${name}= has no value <${spec.value}>`, {
          hint: `write --${name} where none is meant`,
        });
      flags.push(`--${optionKey(name)}=${MARK}${inline ?? ""}`);
    } else {
      const text = inline ?? words[++i];
      if (text === undefined)
        throw new AuroraError("usage", `option --${name} needs a value <${spec.value}>`);
      flags.push(`--${optionKey(name)}=${MARK}${text}`);
    }
  }
  return [...flags, ...positionals];
}

/** Undoes the encoding of what cac parsed: kebab-case names, unmarked text, lists only where the option allows them. */
export function decodeOptions(
  parsed: Readonly<Record<string, unknown>>,
  options: Options,
): Record<string, string | boolean | string[]> {
  const decoded: Record<string, string | boolean | string[]> = {};
  for (const [name, { many, value }] of Object.entries(options)) {
    const raw = parsed[optionKey(name)];
    if (raw === undefined) continue;
    const values = [raw].flat().map((item) => (typeof item === "string" ? item.slice(MARK.length) : true));
    if (many) decoded[name] = values as string[];
    else if (values.length > 1 && value !== undefined)
      throw new AuroraError("usage", `option --${name} is given twice`);
    else decoded[name] = values[0] as string | boolean;
  }
  return decoded;
}

/** Words that are positional whatever they look like, in the same form. */
export function encodePositionals(words: readonly string[]): string[] {
  return words.map((word) => MARK + word);
}

export function decodePositionals(words: readonly string[]): string[] {
  return words.map((word) => word.slice(MARK.length));
}

/** `no-start` would be read as the negation of `start`: so no dashes and no leading "no-" reach cac. */
function optionKey(name: string): string {
  return `o_${name.replaceAll("-", "_")}`;
}

function unknownOption(shown: string, known: readonly string[], hint: string): never {
  const near = nearest(shown.replace(/^-+/, ""), known);
  throw new AuroraError("usage", `unknown option "${shown}"`, {
    hint: near ? `did you mean --${near}?` : hint,
  });
}

/** cac's spelling of an option, for registering it. */
export function cacOption(name: string, { value }: OptionSpec): string {
  return value === undefined ? flagOf(name) : `${flagOf(name)} [value]`;
}

/** The options that occur in the encoded words: cac need not know any other, since unknown ones were refused before. */
export function givenOptions(encoded: readonly string[], options: Options): [string, OptionSpec][] {
  const flags = new Set(encoded.map((word) => word.split("=", 1)[0]));
  return Object.entries(options).filter(([name]) => flags.has(flagOf(name)));
}

function flagOf(name: string): string {
  return `--${optionKey(name)}`;
}
