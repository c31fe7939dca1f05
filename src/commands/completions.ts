import { AuroraError } from "../errors.ts";
import { type CommandSpec, type Context, type Input, type OptionSpec } from "./command.ts";
import { globalOptions } from "./shared/global-options.ts";
import { commands } from "./table.ts";

type Result = { shell: string; script: string };

const shells: Record<string, (specs: readonly CommandSpec[]) => string> = { bash, zsh, fish };
const globalFlags = Object.keys(globalOptions).map((name) => `--${name}`);
const globalValued = Object.entries<OptionSpec>(globalOptions)
  .filter(([, { value }]) => value !== undefined)
  .map(([name]) => `--${name}`);

export function run(_context: Context, { args: [shell = ""] }: Input): Result {
  const write = Object.hasOwn(shells, shell) ? shells[shell] : undefined;
  if (!write)
    throw new AuroraError("usage", `cannot complete for "${shell}"`, {
      hint: `known shells: ${Object.keys(shells).join(", ")}`,
    });
  return { shell, script: write(commands.filter(({ hidden }) => !hidden)) };
}

export function render({ script }: Result): string {
  return script;
}

/** First words, with the second words of the groups: "ns" → ["list", "get", …]. */
function wordTree(
  specs: readonly CommandSpec[],
): Map<string, { summary: string; second: Map<string, string> }> {
  const tree = new Map<string, { summary: string; second: Map<string, string> }>();
  for (const { name, summary } of specs) {
    const [first = "", second] = name.split(" ");
    const node = tree.get(first) ?? {
      summary: second === undefined ? summary : `The ${first} commands`,
      second: new Map(),
    };
    if (second !== undefined) node.second.set(second, summary);
    tree.set(first, node);
  }
  return tree;
}

function flagsOf({ options, args }: CommandSpec): string[] {
  const own = Object.keys(options).map((name) => `--${name}`);
  return [...own, ...(args.some(({ pack }) => pack) ? ["--pack"] : []), ...globalFlags];
}

const takesPack = ({ args }: CommandSpec) => args.some(({ name, pack }) => pack && name !== "SRC");
const takesDirectory = ({ args }: CommandSpec) =>
  args.some(({ name }) => name.includes("SRC") || name === "DIR");
/** After the pack, where there is one. */
const takesFile = ({ args }: CommandSpec) =>
  args.some(({ name }) => name === "FILE" || name === "DIRECTORY") && !args.some(({ pack }) => pack);

/** Options whose value is the next word, whatever command they belong to. */
function valuedFlags(specs: readonly CommandSpec[]): string[] {
  const own = specs.flatMap(({ options }) =>
    Object.entries(options)
      .filter(([, { value, optionalValue }]) => value !== undefined && optionalValue !== true)
      .flatMap(([name, { short }]) => [`--${name}`, ...(short ? [`-${short}`] : [])]),
  );
  // "-n" and the like may be a flag of another command; then the next word is not taken for a value.
  const flags = new Set(
    specs.flatMap(({ options }) =>
      Object.entries(options)
        .filter(([, { value }]) => value === undefined)
        .flatMap(([name, { short }]) => [`--${name}`, ...(short ? [`-${short}`] : [])]),
    ),
  );
  return [...new Set([...globalValued, "--pack", ...own])].filter((flag) => !flags.has(flag));
}

function bash(specs: readonly CommandSpec[]): string {
  const tree = wordTree(specs);
  const groups = [...tree].filter(([, { second }]) => second.size > 0);
  return `# bash completion for aurora: source <(aurora completions bash)
_aurora() {
  local word=\${COMP_WORDS[COMP_CWORD]} first='' name='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      --) compopt -o default; return ;;
      =) ((i++)) ;;
      ${valuedFlags(specs).join(" | ")}) [[ \${COMP_WORDS[i + 1]} == = ]] || ((i++)) ;;
      -*) ;;
      *) if [[ -z $first ]]; then first=\${COMP_WORDS[i]}; name=$first
         elif [[ $name == "$first" ]]; then case $first in ${groups.map(([first]) => first).join(" | ")}) name="$first \${COMP_WORDS[i]}" ;; esac; fi ;;
    esac
  done
  if ((i > COMP_CWORD)); then compopt -o default; return; fi
  if [[ -z $first ]]; then
    mapfile -t COMPREPLY < <(compgen -W "${[...tree.keys()].join(" ")} ${globalFlags.join(" ")}" -- "$word")
    return
  fi
  if [[ $word == -* ]]; then
    case $name in
${specs.map((spec) => `      "${spec.name}") mapfile -t COMPREPLY < <(compgen -W "${flagsOf(spec).join(" ")}" -- "$word") ;;`).join("\n")}
    esac
    return
  fi
  case $name in
${groups.map(([first, { second }]) => `    ${first}) mapfile -t COMPREPLY < <(compgen -W "${[...second.keys()].join(" ")}" -- "$word"); return ;;`).join("\n")}
  esac
  case $name in
    ${caseOf(specs.filter(takesPack))})
      mapfile -t COMPREPLY < <(compgen -W "$(aurora list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$word") ;;
    ${caseOf(specs.filter(takesDirectory))})
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    ${caseOf(specs.filter(takesFile))})
      compopt -o default ;;
  esac
}
complete -F _aurora aurora`;
}

function caseOf(specs: readonly CommandSpec[]): string {
  return specs.map(({ name }) => `"${name}"`).join(" | ");
}

function oneOf(specs: readonly CommandSpec[]): string {
  return specs.map(({ name }) => `'${name}'`).join("|");
}

function zsh(specs: readonly CommandSpec[]): string {
  const tree = wordTree(specs);
  const groups = [...tree].filter(([, { second }]) => second.size > 0);
  return `#compdef aurora
# zsh completion for aurora: aurora completions zsh > a file "_aurora" in a directory of $fpath
_aurora() {
  local -a words_ packs_
  local first='' name='' i
  for ((i = 2; i < CURRENT; i++)); do
    case $words[i] in
      --) _files; return ;;
      ${valuedFlags(specs).join("|")}) ((i++)) ;;
      -*) ;;
      *) if [[ -z $first ]]; then first=$words[i]; name=$first
         elif [[ $name == $first ]]; then case $first in (${groups.map(([first]) => first).join("|")}) name="$first $words[i]" ;; esac; fi ;;
    esac
  done
  if ((i > CURRENT)); then _files; return; fi
  if [[ -z $first ]]; then
    words_=(${described([...tree].map(([word, { summary }]) => [word, summary] as const))})
    _describe command words_
    return
  fi
  if [[ $words[CURRENT] == -* ]]; then
    case $name in
${specs.map((spec) => `      ('${spec.name}') compadd -- ${flagsOf(spec).join(" ")} ;;`).join("\n")}
    esac
    return
  fi
  case $name in
${groups.map(([first, { second }]) => `    (${first}) words_=(${described(second)}); _describe command words_; return ;;`).join("\n")}
  esac
  case $name in
    (${oneOf(specs.filter(takesPack))})
      packs_=(\${(f)"$(aurora list 2>/dev/null | awk 'NR > 1 { print $1 }')"}); compadd -a packs_ ;;
    (${oneOf(specs.filter(takesDirectory))}) _files -/ ;;
    (${oneOf(specs.filter(takesFile))}) _files ;;
  esac
}
# Loaded as a function the file is run by the first completion itself.
if [[ $funcstack[1] == _aurora ]]; then _aurora "$@"; else compdef _aurora aurora; fi`;
}

function described(entries: Iterable<readonly [string, string]>): string {
  return [...entries].map(([word, text]) => `'${word}:${zshText(text)}'`).join(" ");
}

function zshText(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll(":", "\\:");
}

function fish(specs: readonly CommandSpec[]): string {
  const tree = wordTree(specs);
  const groups = [...tree].filter(([, { second }]) => second.size > 0).map(([first]) => first);
  const lines = [
    "# fish completion for aurora: aurora completions fish | source",
    "function __aurora_command",
    "  set -l name",
    "  set -l is_value 0",
    "  for word in (commandline -opc)[2..-1]",
    "    if test $is_value = 1",
    "      set is_value 0",
    "      continue",
    "    end",
    "    switch $word",
    `      case ${valuedFlags(specs).join(" ")}`,
    "        set is_value 1",
    "      case '-*'",
    "      case '*'",
    "        if not set -q name[1]",
    "          set name $word",
    `        else if contains -- $name[1] ${groups.join(" ")}; and not set -q name[2]`,
    "          set -a name $word",
    "        end",
    "    end",
    "  end",
    "  string join ' ' -- $name",
    "end",
    "function __aurora_is",
    "  set -l found (__aurora_command)",
    '  test "$found" = "$argv"; and not contains -- -- (commandline -opc)',
    "end",
    "complete -c aurora -f",
    "complete -c aurora -n 'contains -- -- (commandline -opc)' -F",
  ];
  for (const [first, { summary, second }] of tree) {
    lines.push(`complete -c aurora -n __aurora_is -a ${first} -d ${fishText(summary)}`);
    for (const [word, text] of second)
      lines.push(`complete -c aurora -n '__aurora_is ${first}' -a ${word} -d ${fishText(text)}`);
  }
  for (const spec of specs) {
    const condition = `__aurora_is ${spec.name}`;
    for (const [name, { help, short, value }] of Object.entries(spec.options))
      lines.push(
        `complete -c aurora -n '${condition}' -l ${name}${short ? ` -s ${short}` : ""}${value === undefined ? "" : " -x"} -d ${fishText(help)}`,
      );
    if (takesPack(spec))
      lines.push(
        `complete -c aurora -n '${condition}' -a '(aurora list 2>/dev/null | awk "NR > 1 { print \\$1 }")'`,
      );
    if (takesDirectory(spec))
      lines.push(`complete -c aurora -n '${condition}' -a '(__fish_complete_directories)'`);
    if (takesFile(spec)) lines.push(`complete -c aurora -n '${condition}' -F`);
  }
  for (const flag of globalFlags)
    lines.push(`complete -c aurora -l ${flag.slice(2)}${globalValued.includes(flag) ? " -r" : ""}`);
  return lines.join("\n");
}

function fishText(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
