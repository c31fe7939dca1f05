import { describe, expect, test } from "bun:test";

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
  `source ${file}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _aurora; echo "\${COMPREPLY[@]}"`;

describe.skipIf(!hasShell("bash"))("bash", () => {
  test.each([
    [["aurora", "ins"], ["install"]],
    [["aurora", "ns", "un"], ["unregister"]],
    [["aurora", "--home", "ns", "reco"], ["recover"]],
    [["aurora", "ns", "register", "--me"], ["--meta"]],
    [["aurora", "install", "--confirm"], ["--confirm-within"]],
    [["aurora", "schedule", "hi"], ["history"]],
    [["aurora", "schedule", "add", "app", "--mis"], ["--misfire"]],
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
  ])("%s", async (line, expected) => {
    expect((await completed("fish", (file) => `source ${file}; complete -C '${line}'`))[0]).toBe(expected);
  });
});

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
