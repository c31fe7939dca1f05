import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";

import {
  newestProcessId,
  parseStat,
  processIds,
  readCommandLine,
  readEnvironment,
  readProcess,
  readSettledEnvironment,
  residentMemory,
} from "../../src/system/process-table.ts";
import { scratch } from "../support/aurora.ts";

const rest = "10 11 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 200";

test.each([
  ["sh", "sh"],
  ["a b) S 1 1 1", "a b) S 1 1 1"],
  [")(", ")("],
  ["", ""],
])("a stat line is read, though the name is %j", (shown, name) => {
  expect(parseStat(77, `77 (${shown}) S ${rest}\n`)).toEqual({
    pid: 77,
    name,
    state: "S",
    parent: 10,
    processGroup: 11,
    session: 12,
    threads: 1,
    isKernelThread: false,
    startTime: 98_765,
    cpuTicks: 5 + 6 + 7 + 8,
  });
});

test.each(["", "77", "77 (sh", "77 (sh) S 1 2"])("%j is no stat line", (line) => {
  expect(parseStat(77, line)).toBeUndefined();
});

test("this process is found in the table", () => {
  expect(processIds()).toContain(process.pid);
  expect(readProcess(process.pid)).toMatchObject({ pid: process.pid, parent: process.ppid, state: "R" });
  expect(readCommandLine(process.pid)).toContain("bun");
  const { ownBytes, sharedBytes } = residentMemory(process.pid);
  expect(ownBytes).toBeGreaterThan(1024 ** 2);
  expect(sharedBytes).toBeGreaterThan(1024 ** 2);
  expect(newestProcessId()).toBeGreaterThan(1);
});

test("what is not there is undefined, and has no memory", () => {
  const pid = 2 ** 22 + 1;
  expect([readProcess(pid), readEnvironment(pid), readCommandLine(pid), residentMemory(pid)]).toEqual([
    undefined,
    undefined,
    undefined,
    { ownBytes: 0, sharedBytes: 0 },
  ]);
});

test("an environment of any length is read whole, with a NUL byte at both ends", async () => {
  for (const bytes of [10, 32_700, 32_768, 100_000]) {
    const child = Bun.spawn(["sleep", "100"], { env: { LONG: "x".repeat(bytes), LAST: "1" } });
    while (readCommandLine(child.pid) !== "sleep 100") await Bun.sleep(1);
    const expected = `\0${readFileSync(`/proc/${child.pid}/environ`, "latin1")}`;
    expect(readEnvironment(child.pid)?.toString("latin1")).toBe(expected);
    expect(expected.endsWith("\0LAST=1\0")).toBe(true);
    child.kill("SIGKILL");
    await child.exited;
  }
});

test("a process that becomes another program again and again has its environment at each look", async () => {
  using directory = scratch();
  const file = `${directory.path}/again`;
  writeFileSync(file, '#!/bin/sh\nexec "$0"\n', { mode: 0o755 });
  const child = Bun.spawn([file], { env: { MARK: "1" } });
  const seen = new Set<string | undefined>();
  let unsettled = 0;
  // Until it was met between two programs a few times.
  while (unsettled < 5) {
    if (readEnvironment(child.pid)?.length === 1) unsettled++;
    seen.add(
      readSettledEnvironment(child.pid)
        ?.toString("latin1")
        .match(/\0MARK=1\0/)?.[0],
    );
  }
  child.kill("SIGKILL");
  await child.exited;
  expect([...seen]).toEqual(["\0MARK=1\0"]);
});

test("threads of the kernel are told from processes, and whoever has cleared its environment is not waited for", async () => {
  expect(processIds().some((pid) => readProcess(pid)?.isKernelThread)).toBe(
    readProcess(2)?.name === "kthreadd",
  );
  const child = Bun.spawn(["sleep", "100"], { env: {} });
  while (readCommandLine(child.pid) !== "sleep 100") await Bun.sleep(1);
  expect(readSettledEnvironment(child.pid)?.toString("latin1")).toBe("\0");
  child.kill("SIGKILL");
  await child.exited;
});
