/** The logs of running services: times, and being put aside while the service writes. */
import { describe, expect, setSystemTime, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";

import { readLogs } from "../../src/lifecycle/read-logs.ts";
import {
  appendTimeIndex,
  MAX_SERVICE_INDEX_BYTES,
  MAX_SERVICE_LOG_BYTES,
  serviceLogs,
} from "../../src/process/service-log.ts";
import { cutServiceLogs, KEPT_BYTES } from "../../src/supervisor/cut-service-logs.ts";
import { LOG_TIME_PRECISION_MS, LogKeeper } from "../../src/supervisor/log-keeper.ts";
import { recoverRotation, rotateServiceLogs } from "../../src/supervisor/rotate-service-logs.ts";
import { readProcess } from "../../src/system/process-table.ts";
import { scratch } from "../support/aurora.ts";
import { wholeLog } from "../support/whole-log.ts";
import { supervised } from "./service.ts";

const standing = async () => ({ holds: () => true, thaw: () => {} });
const read = (path: string) => readFileSync(path, "utf8");

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(5);
}

describe("while the service writes at full speed", () => {
  test("no byte is lost or doubled, and no line is torn", async () => {
    await using t = supervised();
    // Its output is written in blocks, which end in the middle of lines.
    const spec = t.service("web", "seq 1 3000000; touch done; exec sleep infinity");
    await t.supervisor.start(spec);
    await until(() => existsSync(`${t.directory}/done`));
    const { stdout } = serviceLogs(spec.logDirectory);
    await until(() => statSync(stdout).size < MAX_SERVICE_LOG_BYTES);
    const expected = Bun.spawnSync(["seq", "1", "3000000"]).stdout.toString();
    expect(Bun.hash(wholeLog(stdout))).toBe(Bun.hash(expected));
    expect(wholeLog(stdout).length).toBe(expected.length);
    expect(existsSync(`${stdout}.1`)).toBe(true);
    for (const name of readdirSync(spec.logDirectory).filter((other) =>
      other.startsWith("service.stdout.log."),
    ))
      expect(read(`${spec.logDirectory}/${name}`)).toMatch(/\n$/);
    // It was stopped while its log was put aside, and is not any more.
    const pid = t.supervisor.view("web")?.pid as number;
    await until(() => readProcess(pid)?.state === "S");
  }, 60_000);

  // Whoever empties the log without having stopped the service loses what it writes at that moment, and it always writes.
  test("a write for each line changes nothing about that", async () => {
    await using t = supervised();
    const count = 280_000;
    const line = (i: number) => `${String(i).padStart(99, "0")}\n`;
    const writer = `const { writeSync } = require("node:fs");
for (let i = 0; i < ${count}; i++) writeSync(1, String(i).padStart(99, "0") + "\\n");
require("node:fs").writeFileSync("done", "");
setInterval(() => {}, 1e9);`;
    const spec = t.service("web", "", { argv: [process.execPath, "-e", writer] });
    await t.supervisor.start(spec);
    await until(() => existsSync(`${t.directory}/done`));
    const { stdout } = serviceLogs(spec.logDirectory);
    await until(() => statSync(stdout).size < MAX_SERVICE_LOG_BYTES);
    const printed = wholeLog(stdout);
    expect(printed.length).toBe(count * 100);
    const wrong = Array.from({ length: count }, (_, i) => i).find(
      (i) => printed.slice(i * 100, (i + 1) * 100) !== line(i),
    );
    expect(wrong).toBeUndefined();
    expect(existsSync(`${stdout}.1`)).toBe(true);
  }, 60_000);
});

describe("the time index", () => {
  test("knows when a line was printed after a silence, and when a service prints on", async () => {
    await using t = supervised();
    const spec = t.service(
      "web",
      "while [ ! -e go ]; do sleep 0.01; done; echo one; while [ ! -e on ]; do sleep 0.01; done; echo two; exec sleep infinity",
    );
    await t.supervisor.start(spec);
    const { stdout, index } = serviceLogs(spec.logDirectory);
    writeFileSync(`${t.directory}/go`, "");
    await until(() => existsSync(index) && read(stdout) === "one\n");
    // Within this time both lines would have one note.
    await Bun.sleep(LOG_TIME_PRECISION_MS * 2);
    writeFileSync(`${t.directory}/on`, "");
    await until(() => read(index).includes('"stdout":4'));
    const entries = read(index)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { at: string; stdout: number });
    expect(entries.map(({ stdout: size }) => size)).toEqual([0, 4]);
  });
});

test("a log that somebody has removed is looked after again with the next start", async () => {
  await using t = supervised();
  const spec = t.service("web", "while [ ! -e go ]; do sleep 0.01; done; echo one; exec sleep infinity");
  const { pid } = await t.supervisor.start(spec);
  const { stdout, stderr, index } = serviceLogs(spec.logDirectory);
  rmSync(stdout);
  rmSync(stderr);
  process.kill(pid as number, "SIGKILL");
  await t.seen("web", (view) => view.restarts === 1 && view.state === "running");
  writeFileSync(`${t.directory}/go`, "");
  await until(() => existsSync(index) && read(index).includes('"stdout":0'));
  expect(read(stdout)).toBe("one\n");
});

test("an index that is full is put aside with its logs", async () => {
  await using t = supervised();
  const spec = t.service("web", "echo one; exec sleep infinity");
  const { stdout, index } = serviceLogs(spec.logDirectory);
  mkdirSync(spec.logDirectory, { recursive: true });
  writeFileSync(index, "x".repeat(MAX_SERVICE_INDEX_BYTES));
  await t.supervisor.start(spec);
  await until(() => existsSync(`${stdout}.1`));
  expect([read(`${stdout}.1`), read(stdout)]).toEqual(["one\n", ""]);
  expect(statSync(`${index}.1`).size).toBeGreaterThan(MAX_SERVICE_INDEX_BYTES - 1);
});

test("a clock that is set back does not keep a full log from being tried again", async () => {
  using directory = scratch();
  const { stdout } = serviceLogs(directory.path);
  writeFileSync(stdout, Buffer.alloc(MAX_SERVICE_LOG_BYTES, "a line\n"));
  const failed = Promise.withResolvers<string>();
  let isThere = false;
  await using keeper = new LogKeeper({
    treeOf: () => {
      if (!isThere) throw new Error("not now");
      return [];
    },
    warn: failed.resolve,
  });
  keeper.add({ packId: "web", logDirectory: directory.path });
  expect(await failed.promise).toBe('cannot put the logs of "web" aside: not now');
  isThere = true;
  setSystemTime(Date.now() - 3_600_000);
  try {
    await until(() => existsSync(`${stdout}.1`));
  } finally {
    setSystemTime();
  }
});

describe("putting aside", () => {
  const setUp = (stdout: string, stderr = "") => {
    const directory = scratch();
    const logs = serviceLogs(directory.path);
    writeFileSync(logs.stdout, stdout);
    writeFileSync(logs.stderr, stderr);
    appendTimeIndex(directory.path, "2026-01-01T00:00:00.000Z", { stdout: 0, stderr: 0 });
    return { logs, directory: directory.path, [Symbol.dispose]: () => directory[Symbol.dispose]() };
  };

  test("leaves a line that is not whole where it is written on", async () => {
    using t = setUp("one\ntwo\nthr", "err");
    expect(await rotateServiceLogs(t.directory, standing)).toBe("rotated");
    expect([read(t.logs.stdout), read(`${t.logs.stdout}.1`)]).toEqual(["thr", "one\ntwo\n"]);
    expect([read(t.logs.stderr), existsSync(`${t.logs.stderr}.1`)]).toEqual(["err", false]);
    expect(existsSync(`${t.logs.index}.1`)).toBe(true);
  });

  test("keeps so many old ones and no more", async () => {
    using t = setUp("");
    for (let i = 1; i <= 6; i++) {
      writeFileSync(t.logs.stdout, `${i}\n`, { flag: "a" });
      await rotateServiceLogs(t.directory, standing);
    }
    expect(wholeLog(t.logs.stdout)).toBe("4\n5\n6\n");
    expect(existsSync(`${t.logs.stdout}.4`)).toBe(false);
  });

  test("waits for the end of a long line, and keeps its bytes as they are", async () => {
    const long = "\0\xff".repeat(5_000_000);
    using t = setUp(long);
    expect(await rotateServiceLogs(t.directory, standing)).toBe("busy");
    writeFileSync(t.logs.stdout, "\n", { flag: "a" });
    expect(await rotateServiceLogs(t.directory, standing)).toBe("rotated");
    expect(read(`${t.logs.stdout}.1`)).toBe(`${long}\n`);
    expect(readdirSync(t.directory).filter((name) => /new|full/.test(name))).toEqual([]);
  });

  test("does nothing where the service does not stand still", async () => {
    using t = setUp("one\n");
    expect(await rotateServiceLogs(t.directory, async () => undefined)).toBe("busy");
    expect(read(t.logs.stdout)).toBe("one\n");
  });
});

describe("a crash in the middle of it", () => {
  const text = "one\ntwo\nthr";
  const crashed = (log: string, marks: Record<string, string>) => {
    const directory = scratch();
    const logs = serviceLogs(directory.path);
    writeFileSync(logs.stdout, log);
    writeFileSync(logs.stderr, "");
    for (const [mark, content] of Object.entries(marks)) writeFileSync(`${logs.stdout}.${mark}`, content);
    recoverRotation(directory.path);
    const left = readdirSync(directory.path).filter((name) => /new|full/.test(name));
    const found = [read(logs.stdout), existsSync(`${logs.stdout}.1`) ? read(`${logs.stdout}.1`) : null, left];
    directory[Symbol.dispose]();
    return found;
  };
  test.each<[string, string, Record<string, string>, [string, string | null]]>([
    ["while it was copied", text, { new: "one\n" }, [text, null]],
    ["before it was emptied", text, { full: text }, [text, null]],
    ["after it was emptied", "", { full: text }, ["thr", "one\ntwo\n"]],
    ["while the last line came back", "th", { full: text }, ["thr", "one\ntwo\n"]],
    ["after the last line came back", "thr", { full: text }, ["thr", "one\ntwo\n"]],
    ["before it became the newest of the old ones", "thr", { full: "one\ntwo\n" }, ["thr", "one\ntwo\n"]],
    ["with an older one", "", { full: text, 1: "zero\n" }, ["thr", "one\ntwo\n"]],
  ])("%s", (_name, log, marks, [current, aside]) => {
    expect(crashed(log, marks)).toEqual([current, aside, []]);
  });

  test("that left the service standing still has it go on under the next daemon", async () => {
    await using t = supervised();
    const spec = t.service("web", "while :; do echo line; sleep 0.01; done");
    await t.supervisor.start(spec);
    const pid = t.supervisor.view("web")?.pid as number;
    const { stdout } = serviceLogs(spec.logDirectory);
    await until(() => existsSync(stdout) && statSync(stdout).size > 10);
    await t.supervisor[Symbol.asyncDispose]();
    process.kill(pid, "SIGSTOP");
    await until(() => readProcess(pid)?.state === "T");
    const before = read(stdout);
    writeFileSync(`${stdout}.full`, before);
    truncateSync(stdout, 0);
    await t.next([spec]);
    await until(() => read(stdout).startsWith("line\n"));
    expect(read(`${stdout}.1`)).toBe(before);
    expect(t.supervisor.view("web")).toMatchObject({ state: "running", pid });
  });
});

// Only root may mount a small file system.
test.skipIf(process.getuid?.() !== 0)(
  "on a full disk the service runs on, nothing that is there is lost, and the oldest logs go first (needs root)",
  async () => {
    await using t = supervised();
    const small = `${t.directory}/small`;
    expect(
      Bun.spawnSync(["sh", "-c", `mkdir ${small} && mount -t tmpfs -o size=20m tmpfs ${small}`]).exitCode,
    ).toBe(0);
    try {
      const spec = t.service("web", "seq 1 2000000; touch done; exec sleep infinity", {
        logDirectory: `${small}/logs`,
      });
      await t.supervisor.start(spec);
      await until(() => existsSync(`${t.directory}/done`));
      expect(t.supervisor.view("web")).toMatchObject({ state: "running" });
      const { stdout } = serviceLogs(spec.logDirectory);
      const lines = wholeLog(stdout).split("\n");
      const first = Number(lines[0]);
      expect(lines.slice(0, 1000)).toEqual(Array.from({ length: 1000 }, (_, i) => String(first + i)));
      await t.supervisor.stop("web");
    } finally {
      Bun.spawnSync(["umount", "-l", small]);
    }
  },
  60_000,
);

describe("cutting, where a full disk has no room for a copy", () => {
  const line = (i: number) => `${String(i).padStart(19, "0")}\n`;
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => line(from + i)).join("");

  test("keeps the end of each log, in whole lines with their times", async () => {
    using directory = scratch();
    const logs = serviceLogs(directory.path);
    writeFileSync(logs.stdout, lines(0, 150_000));
    writeFileSync(logs.stderr, "short\n");
    const at = (minute: number) => `2026-01-01T00:0${minute}:00.000Z`;
    appendTimeIndex(directory.path, at(0), { stdout: 0, stderr: 0 });
    appendTimeIndex(directory.path, at(1), { stdout: 20, stderr: 0 });
    appendTimeIndex(directory.path, at(2), { stdout: 1_000_000, stderr: 6 });
    appendTimeIndex(directory.path, at(3), { stdout: 2_999_980, stderr: 6 });
    writeFileSync(logs.index, '{"at":"2026-01-01T00:0', { flag: "a" });
    expect(await cutServiceLogs(directory.path, standing)).toBe(true);
    const kept = read(logs.stdout);
    expect(kept).toBe(lines(150_000 - Math.floor(KEPT_BYTES / 20), 150_000));
    expect(read(logs.stderr)).toBe("short\n");
    const options = { count: 100_000, since: undefined, positions: new Map() };
    const shown = readLogs(directory.path, "app", options);
    expect(shown.length).toBe(kept.length / 20 + 1);
    expect(shown.filter(({ stream }) => stream === "stderr")).toMatchObject([{ at: at(1) }]);
    expect(shown.find(({ stream }) => stream === "stdout")).toMatchObject({ at: at(2) });
    expect(shown.at(-1)).toMatchObject({ at: at(3), line: "0000000000000149999" });
  });

  test("leaves alone what is short, and what does not stand still", async () => {
    using directory = scratch();
    const logs = serviceLogs(directory.path);
    writeFileSync(logs.stdout, lines(0, 10));
    expect(await cutServiceLogs(directory.path, standing)).toBe(false);
    writeFileSync(logs.stderr, lines(0, 100_000));
    expect(await cutServiceLogs(directory.path, async () => undefined)).toBe(false);
    expect([statSync(logs.stdout).size, statSync(logs.stderr).size]).toEqual([200, 2_000_000]);
  });

  // Only root may mount a small file system.
  test.skipIf(process.getuid?.() !== 0)(
    "frees a disk that a service has filled, while it goes on printing (needs root)",
    async () => {
      await using t = supervised();
      const small = `${t.directory}/small`;
      const mount = `mkdir ${small} && mount -t tmpfs -o size=24m tmpfs ${small}`;
      expect(Bun.spawnSync(["sh", "-c", mount]).exitCode).toBe(0);
      try {
        // What else is there leaves no room for a copy from the beginning.
        const spec = t.service("web", "while :; do seq 1 500000; done 2>/dev/null", {
          logDirectory: `${small}/logs`,
        });
        writeFileSync(`${small}/other`, Buffer.alloc(13 * 1024 ** 2));
        await t.supervisor.start(spec);
        await until(() => t.warnings.some((text) => text.includes("only the end is left")));
        await until(() => statSync(serviceLogs(spec.logDirectory).stdout).size < MAX_SERVICE_LOG_BYTES);
        expect(t.supervisor.view("web")).toMatchObject({ state: "running", restarts: 0 });
        await t.supervisor.stop("web");
      } finally {
        Bun.spawnSync(["umount", "-l", small]);
      }
    },
    60_000,
  );
});
