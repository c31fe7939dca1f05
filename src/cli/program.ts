import { readFileSync } from "node:fs";

import { cac } from "cac";

import {
  type CommandModule,
  type CommandSpec,
  type Context,
  type InputOf,
  type Options,
} from "../commands/command.ts";
import { globalOptions } from "../commands/shared/global-options.ts";
import { commands } from "../commands/table.ts";
import { AuroraError, errorDocument, toAuroraError } from "../errors.ts";
import { type RE_EXEC_WORD as ReExecWord } from "../process/confinement/re-exec.ts";
import { type Arch } from "../process/confinement/system-calls.ts";
import { nearest } from "../system/nearest.ts";
import {
  cacOption,
  decodeOptions,
  decodePositionals,
  encodeArgv,
  encodePositionals,
  givenOptions,
  isValuedIn,
  splitArgv,
} from "./argv.ts";
import { createContext, paintFor, receivedSignal } from "./context.ts";
import { ClosedPipe, writeAll } from "./output.ts";

const RE_EXEC_WORD: typeof ReExecWord = "__exec";
const EXIT_CLOSED_PIPE = 0;
const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/** Runs one command line, writes its output, and returns the exit code. Never throws. */
export async function program(argv: readonly string[]): Promise<number> {
  try {
    if (argv[0] === RE_EXEC_WORD) {
      // In the place of the launcher of a confined command: nothing else may run before it.
      const { reExec } = await import("../process/confinement/re-exec.ts");
      return reExec(argv[1] ?? "", process.arch as Arch);
    }
    return await dispatch(argv);
  } catch (thrown) {
    try {
      return await reportFailure(argv, thrown);
    } catch (again) {
      return again instanceof ClosedPipe ? EXIT_CLOSED_PIPE : 74;
    }
  }
}

/**
 * The runtime hands over words with the replacement character in the place of bytes that are no UTF-8: another word than the
 * one that was typed must not be acted upon.
 */
function refuseBrokenText(argv: readonly string[]): void {
  if (process.platform !== "linux" || !argv.some((word) => word.includes("\uFFFD"))) return;
  const typed = readFileSync("/proc/self/cmdline");
  if (!Buffer.from(typed.toString("utf8")).equals(typed))
    throw new AuroraError("usage", "an argument is not valid UTF-8", {
      hint: "names of files and values are UTF-8 here",
    });
}

async function dispatch(argv: readonly string[]): Promise<number> {
  refuseBrokenText(argv);
  const { name, words, rest, passed } = split(argv);
  const spec = specOf(name.join(" "));
  if (!spec) return withoutCommand(name, words);

  const options: Options = { ...globalOptions, ...packOption(spec), ...spec.options };
  // What stands behind "--" is no option: a command that another program is given takes it apart, any other as its arguments.
  const operands = spec.rest === undefined ? (rest ?? []) : [];
  const parsed = parse(spec, options, words, [...passed, ...operands]);
  if (parsed.options["help"]) return showHelp(words, spec.name);
  if (parsed.options["version"]) return dispatch(["version"]);
  const input = {
    args: positionals(spec, parsed),
    rest: spec.rest === undefined ? [] : (rest ?? []),
    options: parsed.options,
  };

  const { context, flushLog } = await createContext(globalFlags(parsed.options));
  const module = (await spec.load()) as CommandModule<InputOf<Options>, unknown>;
  const typed = input as unknown as InputOf<Options>;
  const result = await runToEnd(context, flushLog, () => module.run(context, typed));
  if (result !== undefined && result !== null) {
    if (context.json) writeAll(1, `${JSON.stringify(result)}\n`);
    else {
      const text = module.render?.(result, await paintFor(1, parsed.options["no-color"] === true)) ?? "";
      if (text !== "") writeAll(1, text.endsWith("\n") ? text : `${text}\n`);
    }
  }
  return module.exitCode?.(result, typed) ?? 0;
}

/** Runs the command; whatever it has said is on stderr before a result or an error is. */
async function runToEnd<T>(
  context: Context,
  flushLog: () => Promise<void>,
  work: () => Promise<T> | T,
): Promise<T> {
  try {
    return await work();
  } finally {
    context.log.progress(undefined);
    await flushLog();
  }
}

// One look through the table is cheaper than a map of it, which would be used once.
const specOf = (name: string) => commands.find((spec) => spec.name === name);
const isGroup = (word: string) => commands.some((spec) => spec.name.startsWith(`${word} `));

const split = (argv: readonly string[]) =>
  splitArgv(
    argv,
    (full) => specOf(full) !== undefined,
    isGroup,
    (name) => specOf(name)?.passthrough === true,
    (word) =>
      isValuedIn([globalOptions, ...commands.map(({ options }) => options), { pack: PACK_OPTION }])(word),
  );

/** No command, a group without its second word, or a word that is no command. */
async function withoutCommand(name: string[], words: string[]): Promise<number> {
  const [first, second] = name;
  const has = (...flags: string[]) => words.some((word) => flags.includes(word));
  if (first === undefined) {
    if (has("--version", "-V"))
      return dispatch(["version", ...words.filter((word) => !["--version", "-V"].includes(word))]);
    if (has("--help", "-h")) return showHelp(words);
    parse({ name: "", args: [] } as unknown as CommandSpec, globalOptions, words);
    throw new AuroraError("usage", "no command is given", { hint: "aurora help lists the commands" });
  }
  if (isGroup(first) && (second === undefined || has("--help", "-h"))) {
    if (has("--help", "-h")) return showHelp(words, first);
    throw new AuroraError("usage", `"${first}" needs one of its commands`, {
      hint: `aurora help ${first} lists them`,
    });
  }
  const unknown = name.join(" ");
  const names = commands.map((spec) => spec.name);
  const groups = isGroup(first) ? [] : names.map((full) => full.split(" ", 1)[0] as string);
  const near = nearest(unknown, [...names, ...groups]);
  throw new AuroraError("usage", `unknown command "${unknown}"`, {
    hint: near ? `did you mean "aurora ${near}"?` : "aurora help lists the commands",
  });
}

async function showHelp(words: readonly string[], topic?: string): Promise<number> {
  const [{ run, render }, paint] = await Promise.all([import("../commands/help.ts"), paintFor(1, false)]);
  const help = run(undefined, { args: topic === undefined ? [] : [topic] });
  writeAll(1, `${words.includes("--json") ? JSON.stringify(help) : render(help, paint)}\n`);
  return 0;
}

type Parsed = { args: string[]; options: ReturnType<typeof decodeOptions> };

/**
 * cac sees only the wanted command and the options that are given: it parses argv once for each command that it knows. Without
 * options there is nothing to parse, which saves a tenth of the start-up of `version` and `status PACK`.
 */
function parse(spec: CommandSpec, options: Options, words: string[], passed: string[] = []): Parsed {
  if (!words.some((word) => word.startsWith("-"))) return { args: [...words, ...passed], options: {} };
  const cli = cac("aurora");
  const entry = cli.command("run [...words]");
  const encoded = [...encodeArgv(words, options, hintOfRest(spec)), ...encodePositionals(passed)];
  for (const [name, option] of givenOptions(encoded, options))
    entry.option(cacOption(name, option), option.help);
  cli.parse(["", "", "run", ...encoded], { run: false });
  return { args: decodePositionals(cli.args), options: decodeOptions(cli.options, options) };
}

/** For whoever leaves out the "--" before a command, as docker and kubectl let them. */
function hintOfRest({ name, args, rest }: CommandSpec): string | undefined {
  if (rest === undefined) return undefined;
  return `a command stands behind "--": aurora ${[name, ...args.map((arg) => arg.name), "--", rest].join(" ")}`;
}

const PACK_OPTION = { help: "The pack, instead of as an argument", value: "ID" };

/** Commands that take a pack take it as `--pack ID` as well. */
function packOption(spec: CommandSpec): Options {
  const arg = spec.args.find((candidate) => candidate.pack);
  if (!arg) return {};
  return { pack: arg.many ? { ...PACK_OPTION, many: true } : PACK_OPTION };
}

function positionals(
  spec: CommandSpec,
  parsed: { args: string[]; options: Record<string, unknown> },
): string[] {
  const named = parsed.options["pack"];
  const args = [...parsed.args];
  if (named !== undefined && spec.args.some((arg) => arg.pack)) args.unshift(...([named].flat() as string[]));
  const help = `aurora help ${spec.name} shows how it is called`;
  const required = spec.args.filter((arg) => !arg.optional);
  if (args.length < required.length)
    throw new AuroraError("usage", `"${spec.name}" needs ${missing(required, args.length)}`, { hint: help });
  if (args.length > spec.args.length && !spec.args.some((arg) => arg.many)) {
    const extra = args.slice(spec.args.length).map((word) => JSON.stringify(word));
    throw new AuroraError("usage", `"${spec.name}" takes no argument ${extra.join(" ")}`, {
      hint: hintOfRest(spec) ?? help,
    });
  }
  return args;
}

function missing(required: CommandSpec["args"], given: number): string {
  return required
    .slice(Math.min(given, required.length - 1))
    .map(({ name }) => `<${name}>`)
    .join(" ");
}

function globalFlags(options: Record<string, unknown>) {
  return {
    json: options["json"] === true,
    quiet: options["quiet"] === true,
    home: options["home"] as string | undefined,
    wait: options["wait"] as string | undefined,
    noInput: options["no-input"] === true,
    noColor: options["no-color"] === true,
    noDaemon: options["no-daemon"] === true,
  };
}

async function reportFailure(argv: readonly string[], thrown: unknown): Promise<number> {
  if (thrown instanceof ClosedPipe) return EXIT_CLOSED_PIPE;
  const error = toAuroraError(thrown);
  const { words } = split(argv);
  const signal = receivedSignal();
  const exitCode = error.code === "interrupted" && signal ? 128 + signalNumbers[signal] : error.exitCode;
  if (words.includes("--json")) writeAll(2, `${JSON.stringify(errorDocument(error, exitCode))}\n`);
  else {
    const { failureText } = await import("./report.ts");
    const paint = await paintFor(2, words.includes("--no-color"));
    const isDebug = process.env["AURORA_DEBUG"] === "1";
    writeAll(2, failureText(error, paint, isDebug || error.code === "internal"));
  }
  return exitCode;
}
