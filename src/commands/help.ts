import { AuroraError, errorCodes } from "../errors.ts";
import { nearest } from "../system/nearest.ts";
import { commandGroups, type CommandSpec, type Options, type Paint } from "./command.ts";
import { globalOptions } from "./shared/global-options.ts";
import { commands } from "./table.ts";

type Entry = { name: string; summary: string };
type Result =
  | { topic: "commands"; commands: (Entry & { group: string })[] }
  | { topic: "group"; name: string; commands: Entry[]; examples: string[] }
  | {
      topic: "command";
      name: string;
      usage: string;
      summary: string;
      details: string | null;
      options: { flags: string; help: string }[];
      examples: string[];
    }
  | {
      topic: "errors";
      exit_codes: { code: number; meaning: string }[];
      errors: { code: string; exit_code: number; meaning: string }[];
    };

const GROUP_EXAMPLES_MAX = 3;

/** Exit codes that belong to no error. */
const exitCodes: Record<number, string> = {
  0: "done",
  1: "failed, nothing more specific",
  2: "wrong usage",
  3: "not running (status of a named pack)",
  4: "unhealthy: a health check failed or timed out, or a transaction was rolled back",
  5: "not found: pack, path, key, job, generation",
  6: "approval needed or refused",
  7: "invalid: manifest, checksum, signature, archive or state does not verify",
  8: "conflict: locked, exists, version not satisfied, dependency in use, dependency cycle",
  9: "denied: outside the pack's root or its permissions",
  10: "stuck: neither the new nor the old state could be reached; `why PACK` says what to do",
  70: "a bug in Aurora",
  74: "output could not be written",
  124: "timed out",
  125: "exec and run: Aurora's own failure",
  126: "exec and run: found but not executable",
  127: "exec and run: not found",
};

export function run(_context: unknown, { args }: { args: readonly string[] }): Result {
  const topic = args.join(" ");
  if (topic === "")
    return {
      topic: "commands",
      commands: commands
        .filter(({ hidden }) => !hidden)
        .map(({ name, group, summary }) => ({ name, group, summary })),
    };
  if (topic === "errors")
    return {
      topic: "errors",
      exit_codes: Object.entries(exitCodes).map(([code, meaning]) => ({ code: Number(code), meaning })),
      errors: Object.entries(errorCodes).map(([code, { exit, meaning }]) => ({
        code,
        exit_code: exit,
        meaning,
      })),
    };
  const spec = commands.find(({ name }) => name === topic);
  if (spec) return describe(spec);
  const members = commands.filter(({ name }) => name.startsWith(`${topic} `));
  if (members.length > 0) return describeGroup(topic, members);
  const near = nearest(topic, [...commands.map(({ name }) => name), "errors"]);
  throw new AuroraError("not-found", `there is no help on "${topic}"`, {
    hint: near ? `did you mean "aurora help ${near}"?` : "aurora help lists the commands",
  });
}

/** The first example of each of its first commands, so that the page stays short. */
function describeGroup(name: string, members: readonly CommandSpec[]): Result {
  return {
    topic: "group",
    name,
    commands: members.map((member) => ({ name: member.name, summary: member.summary })),
    examples: members
      .slice(0, GROUP_EXAMPLES_MAX)
      .flatMap(({ examples }) => examples.slice(0, 1))
      .map((example) => `aurora ${example}`),
  };
}

function describe(spec: CommandSpec): Result {
  return {
    topic: "command",
    name: spec.name,
    usage: usageLine(spec),
    summary: spec.summary,
    details: spec.details ?? null,
    options: describeOptions(spec.options),
    examples: spec.examples.map((example) => `aurora ${example}`),
  };
}

/** `aurora install SRC… [options] [-- ARG…]` */
export function usageLine(spec: CommandSpec): string {
  const args = spec.args.map(({ name, optional, many }) => {
    const word = many ? `${name}…` : name;
    return optional ? `[${word}]` : word;
  });
  const words = spec.passthrough ? ["[options]", ...args] : [...args, "[options]"];
  return ["aurora", spec.name, ...words, ...(spec.rest === undefined ? [] : ["--", spec.rest])].join(" ");
}

export function describeOptions(options: Options): { flags: string; help: string }[] {
  return Object.entries(options).map(([name, { help, short, value, optionalValue }]) => {
    const argument = value === undefined ? "" : optionalValue ? `[=${value}]` : ` ${value}`;
    return { flags: `${short ? `-${short}, ` : "    "}--${name}${argument}`, help };
  });
}

export function render(result: Result, paint: Paint): string {
  switch (result.topic) {
    case "commands":
      return [
        "Aurora puts packs on this machine and keeps them right.",
        "",
        `${paint.bold("Usage:")} aurora COMMAND [options]`,
        ...commandGroups.flatMap((group) => {
          const members = result.commands.filter((entry) => entry.group === group);
          return members.length === 0
            ? []
            : ["", paint.bold(`${group}:`), ...columns(members.map(({ name, summary }) => [name, summary]))];
        }),
        "",
        paint.bold("Options for every command:"),
        ...columns(describeOptions(globalOptions).map(({ flags, help }) => [flags, help])),
        "",
        "aurora help COMMAND shows one command, aurora help errors the exit codes.",
      ].join("\n");
    case "group":
      return [
        `${paint.bold("Usage:")} aurora ${result.name} COMMAND [options]`,
        "",
        ...columns(result.commands.map(({ name, summary }) => [name, summary])),
        "",
        paint.bold("Examples:"),
        ...result.examples.map((example) => `  ${example}`),
        "",
        `aurora help ${result.name} COMMAND shows one command.`,
      ].join("\n");
    case "errors":
      return [
        paint.bold("Exit codes:"),
        ...columns([
          ...result.exit_codes.map(({ code, meaning }) => [String(code), meaning] as [string, string]),
          ["128+N", "exec and run: the command died of signal N"],
        ]),
        "",
        paint.bold("Errors:"),
        ...columns(result.errors.map(({ code, exit_code, meaning }) => [`${code} (${exit_code})`, meaning])),
      ].join("\n");
    case "command":
      return [
        result.summary,
        "",
        `${paint.bold("Usage:")} ${result.usage}`,
        ...(result.details === null ? [] : ["", result.details]),
        ...(result.options.length === 0
          ? []
          : ["", paint.bold("Options:"), ...columns(result.options.map(({ flags, help }) => [flags, help]))]),
        "",
        paint.bold("Options for every command:"),
        ...columns(describeOptions(globalOptions).map(({ flags, help }) => [flags, help])),
        "",
        paint.bold("Examples:"),
        ...result.examples.map((example) => `  ${example}`),
      ].join("\n");
  }
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
