import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";

import { aurora, scratch } from "../support/aurora.ts";

function workplace(source: string) {
  const directory = scratch();
  writeFileSync(`${directory.path}/main.ts`, source);
  return directory;
}

test("runs TypeScript: all words after the file are the script's", async () => {
  using place = workplace(`const words: string[] = process.argv.slice(2);
    console.log(JSON.stringify(words)); console.error("to stderr"); process.exit(3);`);
  const words = ["--json", "--help", "-x", "--", "a b", "--home", "/x"];
  expect(await aurora(["run", `${place.path}/main.ts`, ...words])).toEqual({
    stdout: `${JSON.stringify(words)}\n`,
    stderr: "to stderr\n",
    exitCode: 3,
  });
  const { stdout } = await aurora([
    "--quiet",
    "run",
    "--home",
    "/x",
    "--",
    `${place.path}/main.ts`,
    "--",
    "y",
  ]);
  expect(stdout).toBe('["--","y"]\n');
});

test("gets the user's input, environment and directory", async () => {
  using place = workplace(
    "console.log(await Bun.stdin.text(), process.env.MINE, process.env.BUN_BE_BUN, process.cwd());",
  );
  mkdirSync(`${place.path}/sub`);
  const options = { cwd: `${place.path}/sub`, env: { MINE: "mine" }, stdin: "input" };
  expect(await aurora(["run", "../main.ts"], options)).toEqual({
    stdout: `input mine undefined ${place.path}/sub\n`,
    stderr: "",
    exitCode: 0,
  });
});

test("--json before the file is Aurora's: one document", async () => {
  using place = workplace('console.log("out"); process.kill(process.pid, "SIGKILL");');
  const { stdout, stderr, exitCode } = await aurora(["run", "--json", `${place.path}/main.ts`]);
  expect([stderr, exitCode]).toEqual(["", 137]);
  expect(JSON.parse(stdout)).toEqual({
    rc: 137,
    timeout: false,
    signal: "SIGKILL",
    stdout: "out\n",
    stderr: "",
    truncated: false,
    duration_ms: expect.any(Number),
    max_rss_bytes: expect.any(Number),
  });
});

test.each([
  [[], 2, 'error[usage]: "run" needs <FILE>'],
  [["no-such.ts"], 127, 'error[command-not-found]: cannot run "no-such.ts": it was not found'],
  [["/etc/passwd"], 2, 'error[usage]: cannot run "/etc/passwd": it is neither TypeScript nor JavaScript'],
  [["--deep", "x.ts"], 2, 'error[usage]: unknown option "--deep"'],
])("run %j exits %d", async (argv, exitCode, message) => {
  const result = await aurora(["run", ...argv]);
  expect([result.stdout, result.stderr.split("\n")[0], result.exitCode]).toEqual(["", message, exitCode]);
});

test("a directory is not executable", async () => {
  using place = workplace("");
  mkdirSync(`${place.path}/dir.ts`);
  const { stderr, exitCode } = await aurora(["run", `${place.path}/dir.ts`]);
  expect([stderr, exitCode]).toEqual([
    `error[not-executable]: cannot run "${place.path}/dir.ts": it is no regular file\n`,
    126,
  ]);
});

test("help shows options before the file", async () => {
  const { stdout } = await aurora(["help", "run"]);
  expect(stdout).toContain("Usage: aurora run [options] FILE [ARG…]\n");
});
