/**
 * A sample of the crash test on the compiled program: `bun scripts/crashtest.ts --full` is all of it. It needs AURORA_BINARY,
 * a C compiler and the right to trace; the power cuts also need root and loop devices, the replay of disks FUSE as well.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { blocksProblem } from "../../scripts/crash/block-power.ts";
import { buildInjector } from "../../scripts/crash/injector.ts";
import { killModes } from "../../scripts/crash/modes.ts";
import { operations } from "../../scripts/crash/operations.ts";
import { type FileSystem, powerProblem } from "../../scripts/crash/power-slot.ts";
import { collect, type Run, scratch } from "../support/aurora.ts";

/** Of each operation and mode so many points are taken. */
const SAMPLE_POINTS = 3;
/** By then it hangs: it is stopped, and takes away what it has mounted before the test ends. */
const LONGEST_MS = 15 * 60_000;
const TIMEOUT_MS = LONGEST_MS + 60_000;

const binary = Bun.env["AURORA_BINARY"];
const problem = binary === undefined ? "AURORA_BINARY names no compiled program" : injectorProblem();
const suffix = (reason: string | undefined) => (reason === undefined ? "" : ` (skipped: ${reason})`);

function injectorProblem(): string | undefined {
  using directory = scratch();
  const built = buildInjector(directory.path);
  return "reason" in built ? built.reason : undefined;
}

function replayProblem(fileSystem: FileSystem): string | undefined {
  using directory = scratch();
  return blocksProblem(fileSystem, directory.path);
}

async function crashTest(args: string[]): Promise<Run> {
  const script = join(import.meta.dir, "../../scripts/crashtest.ts");
  const child = Bun.spawn([process.execPath, script, "--binary", binary ?? "", ...args], {
    stdout: "pipe",
    stderr: "pipe",
    timeout: LONGEST_MS,
  });
  return await collect(child);
}

describe("crashed at a system call, the next command finds the old or the new state, whole", () => {
  test.skipIf(problem !== undefined)(
    `stopped, torn, short, and with errors${suffix(problem)}`,
    async () => {
      const { exitCode, stdout, stderr } = await crashTest(["--points", String(SAMPLE_POINTS)]);
      expect(stderr).toBe("");
      const [header, ...rows] = stdout.trimEnd().split("\n");
      expect(header).toMatch(/^OPERATION +MODE +CALLS +POINTS +MISSED +OK +BROKEN +SECONDS$/);
      expect(rows.length).toBe(operations.length * killModes.length + 1);
      expect(exitCode).toBe(0);
    },
    TIMEOUT_MS,
  );

  test.skipIf(problem !== undefined)(
    `every state that a power cut may leave, by the model${suffix(problem)}`,
    async () => {
      const args = ["--points", "30", "--modes", "model"];
      const { exitCode, stderr } = await crashTest(args);
      expect(stderr).toBe("");
      expect(exitCode).toBe(0);
    },
    TIMEOUT_MS,
  );

  test.skipIf(problem !== undefined)(
    `killed before a flush, then a power cut after the next command${suffix(problem)}`,
    async () => {
      const args = [
        "--points",
        "3",
        "--operations",
        "stage,install upgrade,install set of three,install --confirm-within,remove --purge,gc,env set,recover",
      ];
      const { exitCode, stderr } = await crashTest([...args, "--modes", "model-killed"]);
      expect(stderr).toBe("");
      expect(exitCode).toBe(0);
    },
    TIMEOUT_MS,
  );

  test.skipIf(problem !== undefined).each(["model-no-file-sync", "model-no-directory-sync"])(
    `the model notices a flush that is forgotten: %s${suffix(problem)}`,
    async (mode) => {
      const { exitCode, stderr } = await crashTest([
        "--points",
        "40",
        "--modes",
        mode,
        "--operations",
        "stage",
      ]);
      expect(stderr).toContain("stage, ");
      expect(exitCode).toBe(1);
    },
    TIMEOUT_MS,
  );

  for (const fileSystem of ["ext4", "xfs"] as const) {
    const reason = problem ?? powerProblem(fileSystem);
    test.skipIf(reason !== undefined)(
      `power cuts on ${fileSystem}${suffix(reason)}`,
      async () => {
        const args = ["--points", String(SAMPLE_POINTS), "--modes", `power-${fileSystem}`];
        const { exitCode, stderr } = await crashTest(args);
        expect(stderr).toBe("");
        expect(exitCode).toBe(0);
      },
      TIMEOUT_MS,
    );

    test.skipIf(reason !== undefined)(
      `a disk that lies about its flushes is noticed on ${fileSystem}${suffix(reason)}`,
      async () => {
        const args = ["--points", "2", "--modes", `lying-${fileSystem}`, "--operations", "stage,ns register"];
        const { exitCode, stderr } = await crashTest(args);
        expect(stderr).toContain("it said that it was done, and it is not");
        expect(exitCode).toBe(1);
      },
      TIMEOUT_MS,
    );
  }

  for (const fileSystem of ["ext4", "xfs", "btrfs"] as const) {
    const reason = problem ?? replayProblem(fileSystem);
    test.skipIf(reason !== undefined)(
      `every disk that a power cut may leave, replayed on ${fileSystem}${suffix(reason)}`,
      async () => {
        const args = ["--points", "20", "--operations", "install upgrade,rollback,ns register"];
        const { exitCode, stderr } = await crashTest([...args, "--modes", `blocks-${fileSystem}`]);
        expect(stderr).toBe("");
        expect(exitCode).toBe(0);
      },
      TIMEOUT_MS,
    );

    test.skipIf(reason !== undefined)(
      `the replay notices a disk that does not flush: ${fileSystem}${suffix(reason)}`,
      async () => {
        const args = ["--points", "2", "--operations", "ns register"];
        const { exitCode, stderr } = await crashTest([...args, "--modes", `lying-blocks-${fileSystem}`]);
        expect(stderr).toContain("it said that it was done, and it is not");
        expect(exitCode).toBe(1);
      },
      TIMEOUT_MS,
    );
  }
});
