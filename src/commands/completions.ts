import { AuroraError } from "../errors.ts";
import { type CommandSpec, type Context, type Input } from "./command.ts";
import { commands } from "./table.ts";

type Result = { shell: string; script: string };

const shells: Record<string, (specs: readonly CommandSpec[]) => string> = { bash, zsh, fish };
const globalFlags = ["--json", "--quiet", "--home", "--wait", "--no-input", "--no-color", "--help"];

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
const takesSource = ({ args }: CommandSpec) =>
  args.some(({ name }) => name.includes("SRC") || name === "DIR" || name.endsWith(".ts"));

function bash(specs: readonly CommandSpec[]): string {
  const tree = wordTree(specs);
  const groups = [...tree].filter(([, { second }]) => second.size > 0);
  return `# bash completion for aurora: source <(aurora completions bash)
_aurora() {
  local word=\${COMP_WORDS[COMP_CWORD]} first='' name='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      --home | --wait) ((i++)) ;;
      -*) ;;
      *) if [[ -z $first ]]; then first=\${COMP_WORDS[i]}; name=$first
         elif [[ $name == "$first" ]]; then case $first in ${groups.map(([first]) => first).join(" | ")}) name="$first \${COMP_WORDS[i]}" ;; esac; fi ;;
    esac
  done
  if [[ -z $first ]]; then
    mapfile -t COMPREPLY < <(compgen -W "${[...tree.keys()].join(" ")} ${globalFlags.join(" ")}" -- "$word")
    return
  fi
  case $name in
${groups.map(([first, { second }]) => `    ${first}) mapfile -t COMPREPLY < <(compgen -W "${[...second.keys()].join(" ")}" -- "$word"); return ;;`).join("\n")}
  esac
  if [[ $word == -* ]]; then
    case $name in
${specs.map((spec) => `      "${spec.name}") mapfile -t COMPREPLY < <(compgen -W "${flagsOf(spec).join(" ")}" -- "$word") ;;`).join("\n")}
    esac
    return
  fi
  case $name in
    ${caseOf(specs.filter(takesPack))})
      mapfile -t COMPREPLY < <(compgen -W "$(aurora list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$word") ;;
    ${caseOf(specs.filter(takesSource))})
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
  esac
}
complete -F _aurora aurora`;
}

function caseOf(specs: readonly CommandSpec[]): string {
  return specs.map(({ name }) => `"${name}"`).join(" | ");
}

function zsh(specs: readonly CommandSpec[]): string {
  const tree = wordTree(specs);
  return `#compdef aurora
# zsh completion for aurora: aurora completions zsh > a file "_aurora" in a directory of $fpath
_aurora() {
  local -a words_ packs_
  local first='' name='' i
  for ((i = 2; i < CURRENT; i++)); do
    case $words[i] in
      --home|--wait) ((i++)) ;;
      -*) ;;
      *) if [[ -z $first ]]; then first=$words[i]; name=$first
         elif [[ $name == $first ]]; then case $first in (${[...tree]
           .filter(([, { second }]) => second.size > 0)
           .map(([first]) => first)
           .join("|")}) name="$first $words[i]" ;; esac; fi ;;
    esac
  done
  if [[ -z $first ]]; then
    words_=(${described([...tree].map(([word, { summary }]) => [word, summary] as const))})
    _describe command words_
    return
  fi
  case $name in
${[...tree]
  .filter(([, { second }]) => second.size > 0)
  .map(
    ([first, { second }]) =>
      `    (${first}) words_=(${described(second)}); _describe command words_; return ;;`,
  )
  .join("\n")}
  esac
  if [[ $words[CURRENT] == -* ]]; then
    case $name in
${specs.map((spec) => `      ('${spec.name}') compadd -- ${flagsOf(spec).join(" ")} ;;`).join("\n")}
    esac
    return
  fi
  case $name in
    (${specs
      .filter(takesPack)
      .map(({ name }) => `'${name}'`)
      .join("|")})
      packs_=(\${(f)"$(aurora list 2>/dev/null | awk 'NR > 1 { print $1 }')"}); compadd -a packs_ ;;
    (${specs
      .filter(takesSource)
      .map(({ name }) => `'${name}'`)
      .join("|")}) _files -/ ;;
  esac
}
compdef _aurora aurora`;
}

function described(entries: Iterable<readonly [string, string]>): string {
  return [...entries].map(([word, text]) => `'${word}:${zshText(text)}'`).join(" ");
}

function zshText(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll(":", "\\:");
}

function fish(specs: readonly CommandSpec[]): string {
  const tree = wordTree(specs);
  const lines = ["# fish completion for aurora: aurora completions fish | source", "complete -c aurora -f"];
  for (const [first, { summary, second }] of tree) {
    lines.push(`complete -c aurora -n __fish_use_subcommand -a ${first} -d ${fishText(summary)}`);
    for (const [word, text] of second)
      lines.push(
        `complete -c aurora -n '__fish_seen_subcommand_from ${first}; and test (count (commandline -opc)) -eq 2' -a ${word} -d ${fishText(text)}`,
      );
  }
  for (const spec of specs) {
    const condition = spec.name
      .split(" ")
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join("; and ");
    for (const [name, { help, short, value }] of Object.entries(spec.options))
      lines.push(
        `complete -c aurora -n '${condition}' -l ${name}${short ? ` -s ${short}` : ""}${value === undefined ? "" : " -x"} -d ${fishText(help)}`,
      );
    if (takesPack(spec))
      lines.push(
        `complete -c aurora -n '${condition}' -a '(aurora list 2>/dev/null | awk "NR > 1 { print \\$1 }")'`,
      );
    if (takesSource(spec))
      lines.push(`complete -c aurora -n '${condition}' -a '(__fish_complete_directories)'`);
  }
  for (const flag of globalFlags) lines.push(`complete -c aurora -l ${flag.slice(2)}`);
  return lines.join("\n");
}

function fishText(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
