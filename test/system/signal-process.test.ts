import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";

import { signalProcess } from "../../src/system/signal-process.ts";

test("a signal reaches the process that is meant, and only then", async () => {
  const child = Bun.spawn(["sleep", "100"]);
  expect(signalProcess(child.pid, "SIGKILL", () => false)).toBe(false);
  expect(signalProcess(child.pid, 0, () => true)).toBe(true);
  expect(child.exitCode).toBeNull();
  expect(signalProcess(child.pid, "SIGTERM", () => true)).toBe(true);
  await child.exited;
  expect(child.signalCode).toBe("SIGTERM");
  expect(signalProcess(child.pid, "SIGTERM", () => true)).toBe(false);
});

test("no descriptor stays open", () => {
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 50; i++) {
    signalProcess(process.pid, 0, () => true);
    signalProcess(2 ** 22 + 1, 0, () => true);
    expect(() =>
      signalProcess(process.pid, 0, () => {
        throw new Error("unsure");
      }),
    ).toThrow("unsure");
  }
  expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
});
