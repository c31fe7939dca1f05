/** A sample of the crash test: power cuts, by the model of what a disk may keep. */
import { describe, expect, test } from "bun:test";

import { crashTest, problem, suffix, TIMEOUT_MS } from "./sample.ts";

describe("crashed at a system call, the next command finds the old or the new state, whole", () => {
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
});
