import { expect, test } from "bun:test";

import { isTerminalForeground, passSignals } from "../../src/process/foreground-signals.ts";

test.each([
  ["the foreground group of a terminal", "9 (x) S 1 9 9 34816 9 0", true],
  ["a background group of it", "9 (x) S 1 9 5 34816 7 0", false],
  ["no terminal", "9 (x) S 1 9 9 0 -1 0", false],
  ["a name that looks like a stat line", "9 (x) S 1 9 9 0) S 1 9 9 34816 9 0", true],
  ["nothing", "", false],
])("%s", (_name, stat, expected) => {
  expect(isTerminalForeground(stat)).toBe(expected);
});

test("each signal is passed on once, and no more after the command has ended", () => {
  const passed: string[] = [];
  const stop = passSignals((signal) => void passed.push(signal));
  process.emit("SIGTERM", "SIGTERM");
  process.emit("SIGUSR1", "SIGUSR1");
  stop();
  expect(process.listenerCount("SIGTERM")).toBe(0);
  expect(passed).toEqual(["SIGTERM", "SIGUSR1"]);
});
