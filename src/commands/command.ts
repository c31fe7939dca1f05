/** What a command may touch. Built in cli/context.ts; nothing in `commands` reads globals. */
export type Context = {
  /** Where all state lives; absolute. It may not exist yet. */
  home: string;
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  /** The path of this very program: what a pack's script gets as `AURORA_BIN`. */
  self: string;
  /** The wall clock. Passed in so that tests can set it. */
  now: () => Date;
  /** Aborts at the first SIGINT or SIGTERM. Its reason is the signal's name. */
  signal: AbortSignal;
  json: boolean;
  quiet: boolean;
  /** How long to wait for another transaction, in milliseconds. */
  waitMs: number;
  /** Neither ask the daemon nor start it. */
  noDaemon: boolean;
  stdin: Stdin;
  stdout: Stdout;
  log: Log;
  /** Whether input and output are a terminal that can be drawn on. */
  hasScreen: boolean;
  /**
   * Takes over the whole terminal, until it is disposed of: then all is as it was before, also after a crash.
   *
   * @throws {AuroraError} `usage` where there is no screen
   */
  openScreen: () => Promise<Screen>;
  /**
   * Asks on the terminal and returns the line, without its newline. Returns undefined where nobody can answer: no
   * terminal, `--no-input`, or end of input.
   */
  ask: (question: string) => Promise<string | undefined>;
};

export type Screen = {
  size: () => { columns: number; rows: number };
  /** Shows these lines from the top; what was there is gone. */
  draw: (lines: readonly string[]) => void;
  /** Resolves with the next key: a letter, "up", "down", "page-up", "page-down", "home", "end", "escape" or "interrupt". */
  nextKey: () => Promise<string>;
  /** Resolves when the size changes. */
  resized: () => Promise<void>;
  [Symbol.dispose]: () => void;
};

type Stdin = {
  isTerminal: boolean;
  /** Standard input in chunks, to its end. */
  chunks: () => AsyncIterable<Uint8Array>;
};

type Stdout = {
  isTerminal: boolean;
  /** Writes all of it now, or throws `output-failed`. For commands that stream; others return a result. */
  write: (data: string | Uint8Array) => void;
  color: boolean;
};

type Log = {
  /** Progress and remarks for a person; dropped by `--quiet`. */
  info: (message: string) => void;
  warn: (message: string) => void;
  /** A line that is redrawn in place on a terminal and not shown elsewhere; undefined clears it. */
  progress: (message: string | undefined) => void;
  /** Waits until all that was said is written: for who ends the program in another way than by returning. */
  flush: () => Promise<void>;
};

/** `value` names the argument in the help text; without it the option is a flag. `short` is one letter. */
export type OptionSpec = {
  help: string;
  value?: string;
  short?: string;
  /** May be given more than once; the command gets a list. */
  many?: boolean;
  /** `--approve` and `--approve=DIGEST`: the value is "" when left out. Only the `=` form carries one. */
  optionalValue?: boolean;
};
export type Options = Record<string, OptionSpec>;

/** One positional argument. `pack` arguments may also be given as `--pack ID`. */
type ArgSpec = { name: string; optional?: boolean; many?: boolean; pack?: boolean };

type OptionValue<O extends OptionSpec> = O extends { value: string }
  ? O extends { many: true }
    ? readonly string[]
    : string
  : boolean;

export type InputOf<O extends Options> = {
  args: readonly string[];
  /** What stood behind `--`; only for commands with `rest`. */
  rest: readonly string[];
  options: { readonly [K in keyof O]: OptionValue<O[K]> | undefined };
};

/** What the user typed, for a command file: `Input<typeof options>` or the names spelled out. */
export type Input<
  Flags extends string = never,
  Values extends string = never,
  Lists extends string = never,
> = {
  args: readonly string[];
  rest: readonly string[];
  options: Readonly<
    Record<Flags, boolean | undefined> &
      Record<Values, string | undefined> &
      Record<Lists, readonly string[] | undefined>
  >;
};

/** Paints text for a terminal; returns it unchanged where colour is off. */
export type Paint = Record<"bold" | "dim" | "red" | "green" | "yellow" | "cyan", (text: string) => string>;

/** What a command file exports. A result of `undefined` prints nothing: the command has written its output itself. */
export type CommandModule<I, R> = {
  /** Does the work. The result is what `--json` prints, with its keys in snake_case. */
  run: (context: Context, input: I) => Promise<R> | R;
  /** The result as text for people, without the last newline; "" prints nothing. */
  render?: (result: NonNullable<R>, paint: Paint) => string;
  /** The exit code for a result that is no error, for example an unhealthy pack. 0 when absent. */
  exitCode?: (result: R, input: I) => number;
};

export const commandGroups = ["Packs", "Running", "Services", "Tool"] as const;

export type CommandSpec<O extends Options = Options, R = unknown> = {
  /** One or two words: "install", "vfs ls". */
  name: string;
  group: (typeof commandGroups)[number];
  /** One line, no full stop. */
  summary: string;
  /** More, for `--help`. */
  details?: string;
  args: readonly ArgSpec[];
  /** What follows `--`, for the usage line: `exec PACK -- CMD…`. */
  rest?: string;
  /** From the first argument on, all words are the command's arguments as they stand, with dashes and `--`. */
  passthrough?: boolean;
  options: O;
  /** At least one, without the leading "aurora". */
  examples: readonly string[];
  /** Not shown in lists. */
  hidden?: boolean;
  load: () => Promise<CommandModule<InputOf<O>, R>>;
};

/** Checks that the loaded module fits the declared options, then forgets both types. */
export function command<const O extends Options, R>(spec: CommandSpec<O, R>): CommandSpec {
  return spec as unknown as CommandSpec;
}
