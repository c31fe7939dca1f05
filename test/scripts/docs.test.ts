import { expect, test } from "bun:test";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

test("docs/reference is what the command table and the table of errors say", () => {
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, "scripts/docs.ts", "--check"], { cwd: root });
  expect(stderr.toString()).toBe("");
  expect(exitCode).toBe(0);
});
