/** How the crash test is called, from outside: nothing is crashed here. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { everyMode, isMode, killModes } from "../../scripts/crash/modes.ts";
import { operations } from "../../scripts/crash/operations.ts";
import { endsOfRuns, sampleOf } from "../../scripts/crash/sample.ts";
import { collect, type Run } from "../support/aurora.ts";

const script = join(import.meta.dir, "../../scripts/crashtest.ts");

async function crashtest(...argv: string[]): Promise<Run> {
  const child = Bun.spawn([process.execPath, script, ...argv], { env: {}, stdout: "pipe", stderr: "pipe" });
  return await collect(child);
}

describe("crashtest --help", () => {
  test.each(["--help", "-h"])(
    "%s prints every option, operation and mode, and ends with 0",
    async (option) => {
      const { exitCode, stdout, stderr } = await crashtest(option);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      expect(stdout).toStartWith("Crashes Aurora at every system call");
      const lines = stdout.split("\n");
      for (const { name } of operations) expect(lines).toContain(`  ${name}`);
      for (const word of [
        "binary",
        "points",
        "full",
        "every",
        "operations",
        "modes",
        "jobs",
        "json",
        "scratch",
      ])
        expect(stdout).toContain(`  --${word}`);
      expect(stdout).toContain("Examples:\n  bun run crashtest --binary dist/aurora\n");
    },
  );

  test("each mode that can be run is one that the help explains", () => {
    expect(everyMode.filter((mode) => !isMode(mode))).toEqual([]);
    expect(isMode("lying-ext4")).toBe(true);
    expect(isMode("EPIPE")).toBe(false);
    expect(everyMode).toContain(killModes[0]);
  });
});

describe("a command line that is wrong ends with 2 and one line that says why", () => {
  const binary = ["--binary", process.execPath];
  test.each([
    [[], "give the compiled program: --binary PATH (bun run build makes one)"],
    [[...binary, "--operations", "install,upgrade"], 'there is no operation "install": see --help'],
    [[...binary, "--modes", "kill,EPIPE"], 'there is no mode "EPIPE": see --help'],
    [[...binary, "--points", "0"], '--points takes a number of at least 1, and not "0"'],
    [[...binary, "--full", "--every", "2"], "--full, --points and --every exclude each other"],
    [[...binary, "--from", "2"], "--from needs --every"],
  ])("%j", async (argv, message) => {
    expect(await crashtest(...argv)).toEqual({ exitCode: 2, stdout: "", stderr: `${message}\n` });
  });

  test("an unknown option", async () => {
    const { exitCode, stderr } = await crashtest("--ful");
    expect({ exitCode, lines: stderr.trimEnd().split("\n").length }).toEqual({ exitCode: 2, lines: 1 });
    expect(stderr).toContain("--ful");
  });
});

describe("a sample of the points", () => {
  const points = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  test.each([
    [{ points: 4 }, [1, 4, 7, 10]],
    [{ points: 1 }, [1]],
    [{ points: 12 }, points],
    [{ every: 1, from: 1 }, points],
    [{ every: 3, from: 2 }, [2, 5, 8]],
    [{ every: 4, from: 4 }, [4, 8]],
    [{ every: 4, from: 6 }, [6, 10]],
    [{ every: 4, from: 11 }, []],
  ])("%j", (sample, expected) => {
    expect(sampleOf(points, sample)).toEqual(expected);
  });

  test("of writes in a row to the same file only the first and the last, of all else each", () => {
    const calls = [
      "openat state.db-journal",
      "pwrite64 state.db-journal n=512",
      "pwrite64 state.db-journal n=4",
      "pwrite64 state.db-journal n=4096",
      "pwrite64 state.db n=4096",
      "pwrite64 state.db n=4096",
      "fsync state.db",
    ];
    expect([...endsOfRuns(calls)]).toEqual([1, 2, 4, 5, 6, 7]);
    expect([...endsOfRuns([])]).toEqual([]);
  });
});
