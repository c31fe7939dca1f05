import { expect, test } from "bun:test";
import { readFileSync, symlinkSync } from "node:fs";

import { memoryOf, type UsageGroup, usageOf } from "../../src/process/usage.ts";
import { type ProcessEntry, readCommandLine, readProcess } from "../../src/system/process-table.ts";
import { scratch } from "../support/aurora.ts";

const groupOf = (pids: number[], isWhole: boolean): UsageGroup => ({ pids, sessions: [], isWhole });
const residentOf = (pid: number) =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) * 1024;

async function sleepers(count: number): Promise<{ pids: number[]; [Symbol.dispose]: () => void }> {
  const children = Array.from({ length: count }, () => Bun.spawn(["sleep", "100"]));
  const pids = children.map(({ pid }) => pid);
  await asleep(pids);
  return {
    pids,
    [Symbol.dispose]: () => children.forEach((child) => child.kill("SIGKILL")),
  };
}

/** They are what they were started as, and their memory does not change any more. */
async function asleep(pids: readonly number[]): Promise<void> {
  const isAsleep = (pid: number) =>
    readCommandLine(pid)?.startsWith("sleep ") === true && readProcess(pid)?.state === "S";
  while (!pids.every(isAsleep)) await Bun.sleep(1);
}

test.each([true, false])(
  "the memory of one process is what is resident of it; what several share counts once (whole: %p)",
  async (isWhole) => {
    using three = await sleepers(3);
    const { pids } = three;
    const each = pids.map(residentOf);
    const groups = new Map([
      ["all", groupOf(pids, isWhole)],
      ["gone", groupOf([2 ** 22 + 1], isWhole)],
    ]);
    for (const [at, pid] of pids.entries())
      expect(memoryOf(new Map([["one", groupOf([pid], isWhole)]]))).toEqual(
        new Map([["one", each[at]]]) as never,
      );
    const all = memoryOf(groups).get("all") ?? 0;
    expect(all).toBeGreaterThan(Math.max(...each));
    // Most of a sleep is the C library.
    expect(all).toBeLessThan((each.reduce((sum, bytes) => sum + bytes, 0) * 2) / 3);
    expect(memoryOf(groups).get("gone")).toBe(0);
    expect(usageOf(groups)).toEqual(
      new Map([
        ["all", { cpuSeconds: expect.any(Number), memoryBytes: all, processes: 3 }],
        ["gone", { cpuSeconds: 0, memoryBytes: 0, processes: 0 }],
      ]),
    );
  },
);

/** A process below another, until the test ends: its number is what it prints. */
async function nested(
  directory: string,
  names: string[],
): Promise<{ pids: number[]; [Symbol.dispose]: () => void }> {
  const [first = "", ...others] = names.map((name) => `${directory}/${name}`);
  for (const path of [first, ...others]) symlinkSync(process.execPath, path);
  const script = `
    const { spawn } = require("node:child_process");
    const [next, ...rest] = JSON.parse(process.env.NEXT);
    console.log(process.pid);
    const env = { ...process.env, NEXT: JSON.stringify(rest) };
    if (next) spawn(next, ["-e", process.env.SCRIPT], { stdio: ["ignore", "inherit", "ignore"], env });
    else for (const seconds of ["100", "101"]) console.log(spawn("sleep", [seconds]).pid);
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([first, "-e", script], {
    env: { ...process.env, SCRIPT: script, NEXT: JSON.stringify(others) },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const pids: number[] = [];
  let text = "";
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk);
    pids.splice(0, pids.length, ...text.split("\n").slice(0, -1).map(Number));
    if (pids.length === names.length + 2) break;
  }
  await asleep(pids.slice(-2));
  return { pids, [Symbol.dispose]: () => pids.forEach((pid) => process.kill(pid, "SIGKILL")) };
}

test("the launcher's two processes have no part in the memory, and a process of their name elsewhere has", async () => {
  using directory = scratch();
  using tree = await nested(directory.path, ["aurora-relay", "aurora-init"]);
  const [relay = 0, init = 0, ...sleeps] = tree.pids;
  const memory = (group: UsageGroup) => memoryOf(new Map([["app", group]])).get("app");
  const expected = memory(groupOf(sleeps, true));
  expect(memory(groupOf([relay], true))).toBe(expected);
  expect(usageOf(new Map([["app", groupOf([relay], true)]])).get("app")).toMatchObject({
    memoryBytes: expected,
    processes: 4,
  });
  // What lies above need not be looked at where it is known.
  const command = readProcess(sleeps[0] ?? 0) as ProcessEntry;
  const inside = { init, command };
  expect(memory({ ...groupOf([relay], true), inside })).toBe(expected);
  expect(memory(groupOf([init], true))).toBeGreaterThan(10 * 1024 ** 2);
});
