/** Reading logs over those that were put aside, and following them. */
import { describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";

import { readLines } from "../../src/lifecycle/log-lines.ts";
import { mergeLogs } from "../../src/lifecycle/merge-logs.ts";
import { type LogLine, type LogPositions, readLogs } from "../../src/lifecycle/read-logs.ts";
import { appendTimeIndex, KEPT_SERVICE_LOGS, serviceLogs } from "../../src/process/service-log.ts";
import { scratch } from "../support/aurora.ts";

const DAY = (day: number) => `2026-01-0${day}T00:00:00.000Z`;

/** What a rotation leaves: the log as `.1`, the older ones further on, the index with them. */
function putAside(directory: string): void {
  const { stdout, index } = serviceLogs(directory);
  for (const path of [stdout, index]) {
    for (let age = KEPT_SERVICE_LOGS; age >= 1; age--) {
      const from = age === 1 ? path : `${path}.${age - 1}`;
      rmSync(`${path}.${age}`, { force: true });
      if (existsSync(from)) writeFileSync(`${path}.${age}.tmp`, readFileSync(from));
      if (existsSync(from)) Bun.spawnSync(["mv", age === 1 ? `${path}.1.tmp` : from, `${path}.${age}`]);
      rmSync(`${path}.${age}.tmp`, { force: true });
    }
    truncateSync(path, 0);
  }
}

describe("logs that were put aside", () => {
  test("are read before the newest, each with the times of its own index", () => {
    using directory = scratch();
    const { stdout } = serviceLogs(directory.path);
    for (const [day, line] of [
      [1, "one"],
      [2, "two"],
      [3, "three"],
    ] as const) {
      if (day > 1) putAside(directory.path);
      appendTimeIndex(directory.path, DAY(day), { stdout: 0, stderr: 0 });
      appendFileSync(stdout, `${line}\n`);
    }
    const read = (options: { count?: number; since?: string }) =>
      readLogs(directory.path, "a", { count: 100, since: undefined, positions: new Map(), ...options }).map(
        ({ at, line }) => `${at.slice(0, 10)} ${line}`,
      );
    expect(read({})).toEqual(["2026-01-01 one", "2026-01-02 two", "2026-01-03 three"]);
    expect(read({ count: 2 })).toEqual(["2026-01-02 two", "2026-01-03 three"]);
    expect(read({ since: DAY(3) })).toEqual(["2026-01-03 three"]);
  });

  test("are followed through, however often it happened between two looks", () => {
    using directory = scratch();
    const { stdout, index } = serviceLogs(directory.path);
    writeFileSync(index, "");
    const positions: LogPositions = new Map();
    const look = () =>
      readLogs(directory.path, "a", { count: 100, since: undefined, positions, isFollowed: true }).map(
        ({ line }) => line,
      );
    writeFileSync(stdout, "one\nhal");
    expect(look()).toEqual(["one"]);
    appendFileSync(stdout, "f\ntwo\n");
    putAside(directory.path);
    expect(look()).toEqual(["half", "two"]);
    appendFileSync(stdout, "three\n");
    putAside(directory.path);
    appendFileSync(stdout, "four\n");
    putAside(directory.path);
    appendFileSync(stdout, "five\n");
    expect(look()).toEqual(["three", "four", "five"]);
    expect(look()).toEqual([]);
  });

  test("are not missed by a look in the middle of it", () => {
    using directory = scratch();
    const { stdout, index } = serviceLogs(directory.path);
    writeFileSync(index, "");
    writeFileSync(stdout, "one\n");
    const positions: LogPositions = new Map();
    const look = () =>
      readLogs(directory.path, "a", { count: 100, since: undefined, positions, isFollowed: true }).map(
        ({ line }) => line,
      );
    expect(look()).toEqual(["one"]);
    writeFileSync(`${stdout}.full`, "one\ntwo\n");
    writeFileSync(stdout, "");
    expect(look()).toEqual([]);
    Bun.spawnSync(["mv", `${stdout}.full`, `${stdout}.1`]);
    appendFileSync(stdout, "three\n");
    expect(look()).toEqual(["two", "three"]);
  });
});

test("no line comes twice where a log is put aside while it is read", async () => {
  using directory = scratch();
  // Old ones stay, so that no number of a file is given to another one.
  const script = `i=0; while :; do echo "$i stdout line" > start.log.new; i=$((i + 1))
    mv start.log.new start.log; mv start.log.1 "kept.$i"; mv start.log start.log.1; done`;
  const other = Bun.spawn(["sh", "-c", script], { cwd: directory.path, stdout: "ignore", stderr: "ignore" });
  try {
    for (let i = 0; i < 3000; i++) {
      const read = readLogs(directory.path, "a", { count: 100, since: undefined, positions: new Map() });
      expect(read.map(({ at }) => at)).toEqual([...new Set(read.map(({ at }) => at))]);
    }
  } finally {
    other.kill();
    await other.exited;
  }
});

/** `HH:MM:SS text`, of one day. */
const lines = (texts: readonly string[]) =>
  texts.map((text): LogLine => ({
    at: text.startsWith("-") ? "" : `2026-01-01T${text.slice(0, 8)}.000Z`,
    pack_id: "a",
    source: "service",
    stream: "stdout",
    line: text,
  }));

test.each<[string, string[][], string[]]>([
  ["none", [], []],
  ["by time", [["09:00:00 a", "09:00:02 b"], ["09:00:01 c"], []], ["09:00:00 a", "09:00:01 c", "09:00:02 b"]],
  [
    "one by itself, whatever its times",
    [["09:00:00 a", "08:00:00 b", "-"]],
    ["09:00:00 a", "08:00:00 b", "-"],
  ],
  [
    "the clock was set back by an hour",
    [
      ["08:59:00 a", "10:00:00 b", "09:00:00 c", "09:00:03 d"],
      ["10:00:01 e", "09:00:02 f"],
      ["09:00:01 only after it"],
    ],
    [
      "08:59:00 a",
      "10:00:00 b",
      "10:00:01 e",
      "09:00:00 c",
      "09:00:01 only after it",
      "09:00:02 f",
      "09:00:03 d",
    ],
  ],
  [
    "a machine without a clock of its own was restarted",
    [
      ["09:00:00 a", "00:00:00 b", "09:05:00 c"],
      ["09:00:01 d", "00:00:01 e", "09:05:01 f"],
    ],
    ["09:00:00 a", "09:00:01 d", "00:00:00 b", "00:00:01 e", "09:05:00 c", "09:05:01 f"],
  ],
  [
    "the clock was set right by a minute",
    [["09:00:00 a", "08:59:00 b", "09:00:01 c"], ["09:00:00 d"]],
    ["09:00:00 a", "08:59:00 b", "09:00:00 d", "09:00:01 c"],
  ],
  [
    "lines without a time",
    [["-first", "09:00:01 a", "-torn", "09:00:03 b"], ["09:00:02 c"]],
    ["-first", "09:00:01 a", "-torn", "09:00:02 c", "09:00:03 b"],
  ],
])("logs are merged: %s", (_what, logs, expected) => {
  expect(mergeLogs(logs.map(lines)).map(({ line }) => line)).toEqual(expected);
});

test("the newest lines are those that were written last, also after the clock was set back", () => {
  using directory = scratch();
  const { stdout } = serviceLogs(directory.path);
  for (const [day, line] of [
    [8, "wrong"],
    [1, "right"],
  ] as const) {
    appendTimeIndex(directory.path, DAY(day), { stdout: day === 8 ? 0 : 6, stderr: 0 });
    appendFileSync(stdout, `${line}\n`);
    appendFileSync(`${directory.path}/start.log`, `${DAY(day)} stdout start ${line}\n`);
  }
  const read = (count: number) =>
    readLogs(directory.path, "a", { count, since: undefined, positions: new Map() }).map(({ line }) => line);
  expect(read(2)).toEqual(["start right", "right"]);
  expect(read(100)).toEqual(["start wrong", "wrong", "start right", "right"]);
});

describe("lines", () => {
  test.each<[string, number, boolean, string[]]>([
    ["", 5, true, []],
    ["a\nb\n", 5, true, ["a", "b"]],
    ["a\nb", 5, true, ["a", "b"]],
    ["a\nb", 5, false, ["a"]],
    ["\n\n", 5, true, ["", ""]],
    ["a\nb\nc\n", 2, true, ["b", "c"]],
    ["a\nb\nc", 2, true, ["b", "c"]],
    ["a\nb\nc", 2, false, ["a", "b"]],
    ["abc", 1, false, []],
    ["a\n", 0, true, []],
  ])("of %j, the last %d, with a torn one: %p", (content, limit, withLast, expected) => {
    using directory = scratch();
    const path = `${directory.path}/log`;
    writeFileSync(path, content);
    expect(readLines(path, 0, limit, withLast).lines.map(({ text }) => text)).toEqual(expected);
  });

  test("of any length, found from behind as from the front", () => {
    using directory = scratch();
    const path = `${directory.path}/log`;
    const lines = Array.from({ length: 300 }, (_, i) => "x".repeat((i * 7919) % 1500));
    writeFileSync(path, `${lines.join("\n")}\n`);
    for (const limit of [1, 17, 100, 300, 400])
      expect(readLines(path, 0, limit, true).lines.map(({ text }) => text)).toEqual(lines.slice(-limit));
  });

  test("of ten megabytes do not fill the memory", () => {
    using directory = scratch();
    const path = `${directory.path}/log`;
    for (let i = 0; i < 4; i++) appendFileSync(path, `${String(i).repeat(10_000_000)}\n`);
    const { lines } = readLines(path, 0, 10, true);
    expect(lines.map(({ text }) => `${text[0]}${text.length}`)).toEqual([
      "065537",
      "165537",
      "265537",
      "365537",
    ]);
  });
});
