/** A crash test that is ended takes everything with it that it has started and mounted. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

import { blocksProblem } from "../../scripts/crash/block-power.ts";
import { processesAt } from "../../scripts/crash/end-processes.ts";
import { buildInjector } from "../../scripts/crash/injector.ts";
import { powerProblem } from "../../scripts/crash/power-slot.ts";
import { collect, scratch } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { suffix } from "./sample.ts";

const binary = Bun.env["AURORA_BINARY"];

function problemOf(mode: string): string | undefined {
  if (binary === undefined) return "AURORA_BINARY names no compiled program";
  using directory = scratch();
  const built = buildInjector(directory.path);
  if ("reason" in built) return built.reason;
  if (mode === "power-ext4") return powerProblem("ext4");
  return mode === "blocks-ext4" ? blocksProblem("ext4", directory.path) : undefined;
}

const loopDevices = () => Bun.spawnSync(["losetup", "--list"]).stdout.toString();

/** Ends a crash test when the command line of one of its processes has this in it. */
async function end(mode: string, directory: string, signal: NodeJS.Signals, when: string): Promise<number> {
  const words = ["--full", "--operations", "install upgrade", "--modes", mode, "--scratch", directory];
  const child = Bun.spawn(
    [
      process.execPath,
      join(import.meta.dir, "../../scripts/crashtest.ts"),
      "--binary",
      binary ?? "",
      ...words,
    ],
    { stdout: "pipe", stderr: "pipe" },
  );
  const isUnderWay = () => processesAt(directory).some((pid) => commandLine(pid).includes(when));
  while (!isUnderWay() && child.exitCode === null) await Bun.sleep(5);
  child.kill(signal);
  return (await collect(child)).exitCode;
}

/** Empty where the process has gone. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

const cases: [mode: string, signal: NodeJS.Signals, when: string][] = [
  ["kill", "SIGTERM", "--at"],
  ["power-ext4", "SIGTERM", "--at"],
  ["power-ext4", "SIGINT", "--at"],
  ["power-ext4", "SIGHUP", "--at"],
  ["blocks-ext4", "SIGTERM", "/recorded/home"],
  ["blocks-ext4", "SIGTERM", "/replayed/home"],
];
for (const [mode, signal, when] of cases) {
  const problem = problemOf(mode);
  test.skipIf(problem !== undefined)(
    `${mode}, by ${signal} at ${when}: no process, no loop device, no file is left${suffix(problem)}`,
    async () => {
      using directory = scratch();
      expect(await end(mode, directory.path, signal, when)).toBe(128 + constants.signals[signal]);
      expect(processesAt(directory.path)).toEqual([]);
      expect(loopDevices()).not.toContain(directory.path);
      expect(readdirSync(directory.path)).toEqual([]);
    },
    180_000,
  );
}

const powerExt4Problem = problemOf("power-ext4");
test.skipIf(powerExt4Problem !== undefined)(
  `power-ext4, stopped with SIGKILL: what works in its mounts cleans up all the same${suffix(powerExt4Problem)}`,
  async () => {
    using directory = scratch();
    expect(await end("power-ext4", directory.path, "SIGKILL", "--at")).toBe(128 + constants.signals.SIGKILL);
    // What cleans up names the directory, but for the moment in which it becomes another program: so the end itself is waited for.
    await eventually("an empty directory", () => readdirSync(directory.path).length === 0 || undefined);
    while (processesAt(directory.path).length > 0) await Bun.sleep(5);
    expect(loopDevices()).not.toContain(directory.path);
  },
  180_000,
);
