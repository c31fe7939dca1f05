import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { MAX_SHOWN_LINE_BYTES } from "../../src/lifecycle/log-lines.ts";
import { type LogPositions, readLogs } from "../../src/lifecycle/read-logs.ts";
import {
  KEPT_LOGS,
  MAX_LINE_BYTES,
  MAX_LOG_BYTES,
  rotateLogs,
  ScriptLog,
} from "../../src/lifecycle/script-log.ts";
import { appendTimeIndex, serviceLogs } from "../../src/process/service-log.ts";
import { scratch } from "../support/aurora.ts";

const AT = "2026-01-02T03:04:05.000Z";
const now = () => new Date(AT);
const read = (path: string, options: Partial<Parameters<typeof readLogs>[2]> = {}) =>
  readLogs(path, "a", { count: 100, since: undefined, positions: new Map(), ...options });

test("lines are written when they are whole, however they come, each with its time and stream", () => {
  using directory = scratch();
  const file = `${directory.path}/install.log`;
  {
    using log = ScriptLog.open(directory.path, "install", now);
    log.add("stdout", Buffer.from("one\ntwo\nthr"));
    log.add("stderr", Buffer.from("err\n"));
    log.add("stdout", Buffer.from("ee\n\nlast"));
    expect(readFileSync(file, "utf8")).not.toContain("last");
  }
  expect(read(directory.path).map(({ stream, line }) => `${stream} ${line}`)).toEqual([
    "stdout one",
    "stdout two",
    "stderr err",
    "stdout three",
    "stdout ",
    "stdout last",
  ]);
});

test("a chunk's memory may be used again by its owner", () => {
  using directory = scratch();
  {
    using log = ScriptLog.open(directory.path, "install", now);
    const chunk = Buffer.from("half");
    log.add("stdout", chunk);
    chunk.fill("x");
  }
  expect(read(directory.path).map(({ line }) => line)).toEqual(["half"]);
});

test("a line without an end is cut, so that it cannot fill the memory", () => {
  using directory = scratch();
  {
    using log = ScriptLog.open(directory.path, "install", now);
    for (let i = 0; i < 5; i++) log.add("stdout", Buffer.alloc(MAX_LINE_BYTES / 2, "x"));
  }
  const lines = read(directory.path);
  expect(lines).toHaveLength(2);
  expect(lines.reduce((sum, { line }) => sum + line.replaceAll("…", "").length, 0)).toBeGreaterThan(
    MAX_LINE_BYTES * 1.9,
  );
});

test("logs that have grown are put aside together, and only so many are kept", () => {
  using directory = scratch();
  const paths = [`${directory.path}/a`, `${directory.path}/b`];
  for (let i = 0; i < KEPT_LOGS + 2; i++) {
    writeFileSync(paths[0] as string, Buffer.alloc(MAX_LOG_BYTES + 1));
    writeFileSync(paths[1] as string, `small ${i}`);
    rotateLogs(paths);
  }
  expect(existsSync(`${directory.path}/a.${KEPT_LOGS}`)).toBe(true);
  expect(existsSync(`${directory.path}/a.${KEPT_LOGS + 1}`)).toBe(false);
  expect(readFileSync(`${directory.path}/b.1`, "utf8")).toBe(`small ${KEPT_LOGS + 1}`);
  rotateLogs(paths);
  expect(existsSync(`${directory.path}/b.1`)).toBe(true);
});

test("a service's lines get the time of the last note before them, and its streams are merged by it", () => {
  using directory = scratch();
  const logs = serviceLogs(directory.path);
  appendTimeIndex(directory.path, "2026-01-01T00:00:00.000Z", { stdout: 0, stderr: 0 });
  writeFileSync(logs.stdout, "early\n");
  appendTimeIndex(directory.path, "2026-01-03T00:00:00.000Z", { stdout: 6, stderr: 0 });
  writeFileSync(logs.stdout, "early\nlate\n");
  writeFileSync(logs.stderr, "oops\n");
  writeFileSync(`${directory.path}/stop.log`, "2026-01-02T00:00:00.000Z stdout between\n");
  expect(read(directory.path).map(({ at, source, line }) => `${at.slice(8, 10)} ${source} ${line}`)).toEqual([
    "01 service early",
    "02 stop between",
    "03 service late",
    "03 service oops",
  ]);
  expect(read(directory.path, { since: "2026-01-02T00:00:00.000Z" })).toHaveLength(3);
  expect(read(directory.path, { count: 1 })).toHaveLength(1);
});

test("following goes on where the last look ended, also over half a line and a log put aside", () => {
  using directory = scratch();
  const { stdout } = serviceLogs(directory.path);
  const positions: LogPositions = new Map();
  const lines = () => read(directory.path, { positions }).map(({ line }) => line);
  writeFileSync(stdout, "one\n");
  expect(lines()).toEqual(["one"]);
  expect(lines()).toEqual([]);
  writeFileSync(stdout, "one\ntwo\nhal");
  expect(lines()).toEqual(["two"]);
  writeFileSync(stdout, "one\ntwo\nhalf\n");
  expect(lines()).toEqual(["half"]);
  writeFileSync(stdout, "new\n");
  expect(lines()).toEqual(["new"]);
});

test("the last lines of a big log are found without reading it all, and binary bytes are shown as they can be", () => {
  using directory = scratch();
  const { stdout } = serviceLogs(directory.path);
  writeFileSync(
    stdout,
    Buffer.concat([Buffer.alloc(3 * 1024 ** 2, "x\n"), Buffer.from([0xff, 0x00, 0x41, 0x0a])]),
  );
  expect(read(directory.path, { count: 2 }).map(({ line }) => line)).toEqual(["x", "\uFFFD\u0000A"]);
});

test("a huge line is shown cut, with a mark", () => {
  using directory = scratch();
  writeFileSync(serviceLogs(directory.path).stdout, `${"x".repeat(MAX_SHOWN_LINE_BYTES + 10)}\nnext\n`);
  const lines = read(directory.path).map(({ line }) => line);
  expect(lines).toEqual([`${"x".repeat(MAX_SHOWN_LINE_BYTES)}…`, "next"]);
});
