import { describe, expect, test } from "bun:test";
import { dirname } from "node:path";

import { aurora, scratch } from "../support/aurora.ts";

const hasShell = (shell: string) => Bun.which(shell) !== null;

async function completed(shell: string, script: (file: string) => string): Promise<string[]> {
  using directory = scratch();
  const { stdout } = await aurora(["completions", shell]);
  const file = `${directory.path}/_aurora`;
  await Bun.write(file, stdout);
  const child = Bun.spawnSync([shell, ...(shell === "fish" ? ["--no-config"] : []), "-c", script(file)], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: directory.path, TERM: "dumb" },
    stdin: "ignore",
  });
  expect(child.stderr.toString()).toBe("");
  return child.stdout.toString().trim().split(/\s+/);
}

const bashLine = (words: string[]) => (file: string) =>
  `source ${file}; compopt() { echo "compopt $*"; }; COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _aurora; echo "\${COMPREPLY[@]}"`;

describe.skipIf(!hasShell("bash"))("bash", () => {
  test.each([
    [["aurora", "ins"], ["install"]],
    [["aurora", "ns", "un"], ["unregister"]],
    [["aurora", "--home", "ns", "reco"], ["recover"]],
    [["aurora", "ns", "register", "--me"], ["--meta"]],
    [["aurora", "install", "--confirm"], ["--confirm-within"]],
    [["aurora", "schedule", "hi"], ["history"]],
    [["aurora", "schedule", "add", "app", "--mis"], ["--misfire"]],
    [["aurora", "daemon", "--idle"], ["--idle-exit"]],
    [["aurora", "daemon", "re"], ["reload"]],
    [["aurora", "list", "--no-d"], ["--no-daemon"]],
    // As readline takes them apart.
    [["aurora", "--home", "=", "/srv", "reco"], ["recover"]],
    [["aurora", "schedule", "--tag", "gpu", "res"], ["resume"]],
    [
      ["aurora", "run", "x"],
      ["compopt", "-o", "default"],
    ],
    [
      ["aurora", "exec", "app", "--", "x"],
      ["compopt", "-o", "default"],
    ],
    [
      ["aurora", "--home", "x"],
      ["compopt", "-o", "default"],
    ],
  ])("%j", async (words, expected) => {
    expect(await completed("bash", bashLine(words))).toEqual(expected);
  });
});

describe.skipIf(!hasShell("fish"))("fish", () => {
  test.each([
    ["aurora ins", "install"],
    ["aurora ns un", "unregister"],
    ["aurora install --confirm", "--confirm-within"],
    ["aurora schedule hi", "history"],
    ["aurora --home x ins", "install"],
    ["aurora daemon status --no-d", "--no-daemon"],
    ["aurora run _auro", "_aurora"],
    ["aurora exec app -- _auro", "_aurora"],
  ])("%s", async (line, expected) => {
    expect(
      (await completed("fish", (file) => `cd ${dirname(file)}; source ${file}; complete -C '${line}'`))[0],
    ).toBe(expected);
  });
});

test.skipIf(!hasShell("fish"))(
  "fish offers the options of a command of two words, and not those of its second word",
  async () => {
    // Which packs there are is asked of the program.
    const quiet = "function aurora; end";
    const offered = await completed(
      "fish",
      (file) => `${quiet}; source ${file}; complete -C 'aurora schedule run --'`,
    );
    expect(offered).toContain("--foreground");
    expect(
      await completed("fish", (file) => `${quiet}; source ${file}; complete -C 'aurora ns list --pa'`),
    ).toEqual([""]);
    const twice = await completed(
      "fish",
      (file) => `${quiet}; source ${file}; complete -C 'aurora daemon status --'`,
    );
    expect(twice).not.toContain("--watch");
  },
);

test.skipIf(!hasShell("zsh"))(
  "zsh completes with the script as a function of $fpath, the first time too",
  async () => {
    const typed = "aurora reco\\t\\n";
    const words = await completed(
      "zsh",
      (file) => `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "fpath=(${dirname(file)} \\$fpath); autoload -Uz compinit; compinit -u -D; aurora() { print RAN:\\$1: }; PS1="
zpty -n -w z $'${typed}'
zpty -r z line '*RAN:[a-z]*:*'
print -r -- \${\${line##*RAN:}%%:*}
zpty -d z`,
    );
    expect(words).toEqual(["recover"]);
  },
);

test.skipIf(!hasShell("zsh"))("zsh accepts the script", async () => {
  expect(await completed("zsh", (file) => `zsh -n ${file} && echo good`)).toEqual(["good"]);
});

test("another shell is wrong usage", async () => {
  expect(await aurora(["completions", "tcsh"])).toEqual({
    stdout: "",
    stderr: 'error[usage]: cannot complete for "tcsh"\nhint: known shells: bash, zsh, fish\n',
    exitCode: 2,
  });
});

test("--json holds the script", async () => {
  const { stdout } = await aurora(["completions", "bash", "--json"]);
  const { shell, script } = JSON.parse(stdout) as { shell: string; script: string };
  expect(shell).toBe("bash");
  expect(script).toStartWith("# bash completion for aurora");
});
