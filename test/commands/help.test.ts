import { describe, expect, test } from "bun:test";

import { commands } from "../../src/commands/table.ts";
import { aurora } from "../support/aurora.ts";

test("help and --help are the same text and name every command", async () => {
  const [help, flag] = await Promise.all([aurora(["help"]), aurora(["--help"])]);
  expect(help).toEqual(flag);
  expect(help).toMatchObject({ stderr: "", exitCode: 0 });
  for (const { name, hidden } of commands) if (!hidden) expect(help.stdout).toContain(`\n  ${name} `);
});

describe("--help of every command has its usage and an example", () => {
  test.each(commands.filter(({ hidden }) => !hidden).map(({ name, examples }) => [name, examples] as const))(
    "%s",
    async (name, examples) => {
      const { stdout, stderr, exitCode } = await aurora([...name.split(" "), "--help"]);
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
      expect(stdout).toContain(`Usage: aurora ${name}`);
      expect(stdout).toContain(`Examples:\n  aurora ${examples[0]}`);
    },
  );
});

test("what every command takes is told, all of it", async () => {
  for (const argv of [["--help"], ["list", "--help"]]) {
    const { stdout } = await aurora(argv);
    for (const option of ["--json", "--home DIR", "--no-daemon", "-V, --version"])
      expect(stdout).toContain(` ${option} `);
  }
});

test("--help of a group has its commands and an example", async () => {
  expect(await aurora(["env", "--help"])).toEqual({
    stdout: `Usage: aurora env COMMAND [options]

  env set    Set variables that a pack's scripts get
  env list   List the variables of a pack, by name
  env unset  Remove variables of a pack

Examples:
  aurora env set pack03_os_base LEVEL=debug
  aurora env list pack03_os_base
  aurora env unset pack03_os_base LEVEL

aurora help env COMMAND shows one command.
`,
    stderr: "",
    exitCode: 0,
  });
});

test.each([[["--help"]], [["vfs", "--help"]], [["list", "-h"]], [["vfs", "ls", "--help"]]])(
  "%j with --json is what help prints",
  async (argv) => {
    const words = argv.filter((word) => !word.startsWith("-"));
    const [help, flag] = await Promise.all([
      aurora(["help", ...words, "--json"]),
      aurora([...argv, "--json"]),
    ]);
    expect(JSON.parse(flag.stdout)).toBeObject();
    expect(flag).toEqual(help);
  },
);

test("help errors is the table of exit codes", async () => {
  const { stdout, exitCode } = await aurora(["help", "errors", "--json"]);
  expect(exitCode).toBe(0);
  const { exit_codes } = JSON.parse(stdout) as { exit_codes: { code: number }[] };
  expect(exit_codes.map(({ code }) => code)).toEqual([
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 70, 74, 124, 125, 126, 127,
  ]);
});

test("an unknown topic has the nearest as the hint", async () => {
  expect(await aurora(["help", "verison"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: there is no help on "verison"\nhint: did you mean "aurora help version"?\n',
    exitCode: 5,
  });
});
