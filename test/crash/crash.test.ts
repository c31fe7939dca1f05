/** A sample of the crash test: commands that are stopped, and calls that fail. Samples that take long each have a file of their own. */
import { describe, expect, test } from "bun:test";

import { killModes } from "../../scripts/crash/modes.ts";
import { operations } from "../../scripts/crash/operations.ts";
import { crashTest, problem, suffix, TIMEOUT_MS } from "./sample.ts";

/** Of each operation and mode so many points are taken. */
const SAMPLE_POINTS = 3;

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
});
