import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";

import { selectedAfter } from "../../src/commands/shared/select-row.ts";
import { sparkline, topLines, type TopModel } from "../../src/commands/shared/top-view.ts";
import { type PackStatus } from "../../src/lifecycle/pack-status.ts";
import { type LogLine } from "../../src/lifecycle/read-logs.ts";
import { aurora, auroraCommand } from "../support/aurora.ts";
import { hasTmux, terminal } from "../support/terminal.ts";
import { testHome } from "../support/test-home.ts";

const plain = { bold: String, dim: String, red: String, green: String, yellow: String, cyan: String };

function model(ids: string[], log: string[] = []): TopModel {
  const status = (pack_id: string): PackStatus => ({
    pack_id,
    version: "1.0.0",
    generation: 1,
    state: "running",
    health: "healthy",
    pid: 1,
    since: null,
    restarts: 0,
    exit_code: null,
    reason: null,
    last_end: null,
    next_start: null,
    status_text: null,
    memory_bytes: 1,
    confinement: null,
  });
  return {
    home: "/home",
    at: new Date("2026-01-02T03:04:05Z"),
    packs: ids.map((id) => ({ status: status(id), cpu: [0, 50, 100], memory: [1024 ** 2] })),
    selected: ids[0],
    log: log.map((line): LogLine => ({
      at: "2026-01-02T03:04:05.000Z",
      pack_id: ids[0] ?? "",
      source: "service",
      stream: "stdout",
      line,
    })),
    isPaused: false,
  };
}

test("a screen of 80 by 24 is filled exactly", () => {
  const lines = topLines(model(["web", "db"], ["hello", "x".repeat(100)]), { columns: 80, rows: 24 }, plain);
  expect(lines).toHaveLength(24);
  expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(80);
  expect(lines.slice(0, 7).join("\n")).toMatchInlineSnapshot(`
"aurora top  03:04:05  2 packs, 2 running  /home
  PACK      STATE      HEALTH     RESTARTS    CPU            MEMORY
› web       running    healthy           0    100%      ▁▅█    1.0 MiB        █
  db        running    healthy           0    100%      ▁▅█    1.0 MiB        █
── log of web ──────────────────────────────────────────────────────────────────
03:04:05  hello
03:04:05  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
`);
  expect(lines.at(-1)).toBe("↑ ↓ select   p pause   q quit");
});

test.each([
  [80, 24],
  [200, 60],
  [40, 10],
  [20, 5],
  [10, 2],
  [1, 1],
])("no line is too wide and none too many at %d by %d", (columns, rows) => {
  const many = Array.from({ length: 50 }, (_, place) => `pack-${place}-${"long".repeat(12)}`);
  for (const ids of [[], ["a"], many]) {
    const lines = topLines(model(ids, ["漢字".repeat(60), "line"]), { columns, rows }, plain);
    expect(lines).toHaveLength(rows);
    expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(columns);
  }
});

test("what a service prints cannot move the cursor", () => {
  const text = topLines(
    model(["a"], ["\u001b[2Jred\u0007\r\u009b1m\tend"]),
    { columns: 80, rows: 24 },
    plain,
  ).join("");
  expect(text).toContain("·[2Jred···1m end");
  // eslint-disable-next-line no-control-regex -- none of these may be left
  expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
});

test("the selected pack stays on the screen", () => {
  const ids = Array.from({ length: 100 }, (_, place) => `p${place}`);
  const lines = topLines({ ...model(ids), selected: "p77" }, { columns: 80, rows: 24 }, plain);
  expect(lines.some((line) => line.startsWith("› p77 "))).toBe(true);
});

test("bars", () => {
  expect(sparkline([0, 0], 1)).toBe("      ▁▁");
  expect(sparkline([1, 2, 4, 8, 16, 32, 64, 128, 256], 1)).toBe("▁▁▁▁▂▃▅█");
  expect(sparkline([], 1)).toBe("        ");
});

test.each([
  ["a", "down", "b"],
  ["a", "up", "a"],
  ["a", "end", "d"],
  ["d", "j", "d"],
  ["d", "page-up", "b"],
  ["gone", "down", "b"],
  [undefined, "x", "a"],
])("with %p selected, %s selects %s", (selected, key, wanted) => {
  expect(selectedAfter(["a", "b", "c", "d"], selected, key, 2)).toBe(wanted);
});

test("without a terminal it is refused", async () => {
  await using t = testHome();
  expect(await aurora(["top"], { home: t.home })).toEqual({
    stdout: "",
    stderr: "error[usage]: this needs a terminal\nhint: aurora status --watch works without one\n",
    exitCode: 2,
  });
});

describe.skipIf(!hasTmux)("on a terminal (needs tmux)", () => {
  const clean = "0 1 1";

  test("it shows packs and logs, obeys keys and a new size, and leaves the terminal as it was", async () => {
    await using t = testHome();
    t.write({ id: "one", start: "echo from one\nsleep 300 &", stop: null, health: null });
    t.write({ id: "two", start: "echo from two\nsleep 300 &", stop: null, health: null });
    await t.run(["install", "one", "two"]);
    using term = terminal([...auroraCommand, "top"], { AURORA_HOME: t.home });
    const first = await term.shows(/from one/);
    expect(first).toContain("2 packs, 2 running");
    expect(first).toContain("q quit");
    term.keys("j");
    await term.shows(/log of two[\s\S]*from two/);
    term.keys("Up");
    await term.shows("log of one");
    term.resize(50, 10);
    const small = await term.shows(/^aurora top/);
    expect(small.trimEnd().split("\n")).toHaveLength(10);
    term.keys("q");
    await term.shows("ended with 0");
    const { before, after, flags } = await term.modes();
    expect(after).toBe(before.replace(/rows 24; columns 80/, "rows 10; columns 50"));
    expect(flags).toBe(clean);
  });

  test("it has no colour where nobody wants one, and does not draw where it cannot", async () => {
    await using t = testHome();
    t.write({ id: "one" });
    await t.run(["install", "one"]);
    const env = { AURORA_HOME: t.home };
    using coloured = terminal([...auroraCommand, "top"], env);
    await coloured.shows("q quit");
    expect(coloured.coloured()).toContain("\u001b[2m");
    using colourless = terminal([...auroraCommand, "top"], { ...env, NO_COLOR: "1" });
    await colourless.shows("q quit");
    expect(colourless.coloured()).not.toContain("\u001b[");

    using dumb = terminal([...auroraCommand, "top"], { ...env, TERM: "dumb" });
    expect(await dumb.shows("ended with 2")).toStartWith(
      'error[usage]: this needs a terminal that can be drawn on: TERM is "dumb"\nhint: aurora status --watch works without one\n',
    );
  });

  test("a signal and a crash leave the terminal clean too", async () => {
    await using t = testHome();
    t.write({ id: "one" });
    await t.run(["install", "one"]);
    using signalled = terminal([...auroraCommand, "top"], { AURORA_HOME: t.home });
    await signalled.shows("1 pack");
    process.kill(signalled.commandPid(), "SIGTERM");
    await signalled.shows("ended with");
    expect(await signalled.modes()).toMatchObject({ flags: clean });

    using crashed = terminal([...auroraCommand, "top"], { AURORA_HOME: t.home });
    await crashed.shows("1 pack");
    rmSync(`${t.home}/state.db`);
    await crashed.shows(/error\[state-invalid\][\s\S]*ended with 7/);
    const { before, after, flags } = await crashed.modes();
    expect(after).toBe(before);
    expect(flags).toBe(clean);
  });
});
