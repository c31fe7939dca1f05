/**
 * A sample of the crash test: power cuts on file systems. They need root and loop devices as well, the replay of disks also FUSE.
 */
import { describe, expect, test } from "bun:test";

import { blocksProblem } from "../../scripts/crash/block-power.ts";
import { type FileSystem, powerProblem } from "../../scripts/crash/power-slot.ts";
import { scratch } from "../support/aurora.ts";
import { crashTest, problem, suffix, TIMEOUT_MS } from "./sample.ts";

/** Of each operation so many points are taken. */
const SAMPLE_POINTS = 3;

function replayProblem(fileSystem: FileSystem): string | undefined {
  using directory = scratch();
  return blocksProblem(fileSystem, directory.path);
}

describe("crashed at a system call, the next command finds the old or the new state, whole", () => {
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
