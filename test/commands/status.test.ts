import { describe, expect, test } from "bun:test";

import { statusLines } from "../../src/commands/shared/status-table.ts";
import { type PackStatus } from "../../src/lifecycle/pack-status.ts";
import { auroraCommand } from "../support/aurora.ts";
import { hasTmux, terminal } from "../support/terminal.ts";
import { testHome } from "../support/test-home.ts";

test("what is installed; exit 3 only where a named pack does not run", async () => {
  await using t = testHome();
  expect(await t.run(["status"])).toEqual({ stdout: "nothing is installed\n", stderr: "", exitCode: 0 });
  t.write({ id: "app" });
  t.write({ id: "idle" });
  await t.run(["install", "app"]);
  await t.run(["install", "idle", "--no-start"]);
  const { stdout, stderr, exitCode } = await t.run(["status"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  const rows = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/\s{2,}/));
  expect(rows).toEqual([
    ["PACK", "VERSION", "GENERATION", "STATE", "HEALTH", "PID", "SINCE", "RESTARTS", "MEMORY", "CONFINEMENT"],
    [
      "app",
      "1.0.0",
      "1",
      "running",
      "healthy",
      expect.stringMatching(/^\d+$/),
      "TIME",
      "0",
      expect.stringMatching(/^[\d.]+ [KM]iB$/),
      "enforced",
    ],
    ["idle", "1.0.0", "1", "installed", "unknown", "-", "-", "-", "-", "-"],
  ] as never);
  expect(await t.run(["status", "app"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["status", "app", "idle"])).toMatchObject({ exitCode: 3 });
});

test("--json has these keys", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect(await t.json(["status", "app"])).toEqual({
    value: [
      {
        pack_id: "app",
        version: "1.0.0",
        generation: 1,
        state: "running",
        health: "healthy",
        pid: expect.any(Number),
        since: expect.stringMatching(/^\d{4}-.*Z$/),
        restarts: 0,
        exit_code: 0,
        reason: null,
        last_end: null,
        next_start: null,
        status_text: null,
        memory_bytes: expect.any(Number),
        confinement: {
          state: "enforced",
          user: null,
          layers: expect.arrayContaining([
            { name: "landlock-files", enforced: true, reason: null },
            { name: "seccomp", enforced: true, reason: null },
            { name: "no-new-privileges", enforced: true, reason: null },
            {
              name: "process-namespace",
              enforced: false,
              reason: "its processes and those of the pack's other starts are to reach each other",
            },
          ]),
        },
      },
    ],
    stderr: "",
    exitCode: 0,
  });
});

test("the processes are looked at: one that is gone has exited, and is not healthy any more", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  Bun.spawnSync(["sh", "-c", `kill -9 $(cat ${t.home}/data/app/pid)`]);
  expect(await t.run(["wait", "app", "--for", "stopped", "--timeout", "10"])).toMatchObject({ exitCode: 0 });
  expect((await t.json(["status", "app"])).value).toMatchObject([
    { state: "exited", health: "unknown", pid: null, memory_bytes: null },
  ]);
  expect((await t.json(["list"])).value).toMatchObject([{ state: "exited", health: "unknown" }]);
  expect((await t.json(["show", "app"])).value).toMatchObject({ running: false, health: "unknown" });
});

test("a start that leaves nothing running runs until it is stopped", async () => {
  await using t = testHome();
  t.write({ id: "app", start: "true", health: null });
  await t.run(["install", "app"]);
  expect((await t.json(["status", "app"])).value).toMatchObject([
    { state: "running", pid: null, health: "unknown" },
  ]);
  await t.run(["stop", "app"]);
  expect(await t.run(["status", "app"])).toMatchObject({ exitCode: 3 });
});

test("a staged pack, and one that nobody knows", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["stage", "app"]);
  expect((await t.json(["status", "app"])).value).toMatchObject([{ state: "staged", generation: null }]);
  expect(await t.run(["status", "app"])).toMatchObject({ exitCode: 3 });
  expect(await t.run(["status", "nobody"])).toMatchObject({ stdout: "", exitCode: 5 });
});

test("--watch: one document for each change, until a signal", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  const child = Bun.spawn([...auroraCommand, "status", "app", "--watch", "--json", "--home", t.home], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines = linesOf(child.stdout);
  expect(JSON.parse((await lines.next()).value ?? "")).toMatchObject([
    { state: "running", health: "healthy" },
  ]);
  await t.run(["stop", "app"]);
  const seen: string[] = [];
  while (seen.at(-1) !== "stopped")
    seen.push((JSON.parse((await lines.next()).value ?? "") as [{ state: string }])[0].state);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  expect(await child.stderr.text()).toBe("");
});

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk);
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
}

describe("on a screen", () => {
  const status = (pack_id: string, more: Partial<PackStatus> = {}): PackStatus => ({
    pack_id,
    version: "1.0.0",
    generation: 1,
    state: "running",
    health: "healthy",
    pid: 12345,
    since: "2026-01-02T03:04:05.678Z",
    restarts: 0,
    exit_code: 0,
    reason: null,
    last_end: null,
    next_start: null,
    status_text: null,
    memory_bytes: 1024 ** 2,
    confinement: null,
    ...more,
  });

  test("of 80 columns some columns are left out, and no line is wider", () => {
    const statuses = [status("web"), status("db", { state: "failed", reason: "x".repeat(100) })];
    expect(statusLines(statuses, { columns: 80, rows: 24 })).toEqual([
      "PACK  STATE    HEALTH   PID    SINCE                     RESTARTS  MEMORY",
      "web   running  healthy  12345  2026-01-02T03:04:05.678Z  0         1.0 MiB",
      "db    failed   healthy  12345  2026-01-02T03:04:05.678Z  0         1.0 MiB",
      "",
      `db: ${"x".repeat(75)}…`,
    ]);
    expect(statusLines(statuses, { columns: 200, rows: 24 })[0]).toEndWith("  CONFINEMENT");
    for (const line of statusLines(statuses, { columns: 10, rows: 24 }))
      expect(Bun.stringWidth(line)).toBeLessThanOrEqual(10);
  });

  test("of few rows the last one says how many there are more", () => {
    const statuses = ["a", "b", "c", "d"].map((id) => status(id));
    expect(statusLines(statuses, { columns: 80, rows: 5 })).toHaveLength(5);
    const cut = statusLines(statuses, { columns: 80, rows: 4 });
    expect(cut).toHaveLength(4);
    expect(cut.at(-1)).toBe("… 2 more lines");
  });

  test.skipIf(!hasTmux)("it is written line by line where it cannot be drawn", async () => {
    await using t = testHome();
    t.write({ id: "one" });
    await t.run(["install", "one"]);
    using term = terminal([...auroraCommand, "status", "--watch"], { AURORA_HOME: t.home, TERM: "dumb" });
    await term.shows(/one +1.0.0 +1 +running/);
    await t.run(["stop", "one"]);
    await term.shows(/^PACK[^]*one +1.0.0 +1 +running[^]*\n\nPACK[^]*one +1.0.0 +1 +stopped/);
  });

  test.skipIf(!hasTmux)(
    "it is drawn anew with each change and each size, and stays behind at the end",
    async () => {
      await using t = testHome();
      t.write({ id: "one" });
      t.write({ id: "two" });
      await t.run(["install", "one", "two"]);
      using term = terminal([...auroraCommand, "status", "--watch"], { AURORA_HOME: t.home });
      const lines = (text: string) => text.trimEnd().split("\n").length;
      expect(lines(await term.shows(/^PACK +STATE[^]*two +running/))).toBe(3);
      term.resize(60, 2);
      await term.shows(/^PACK +STATE .*\n… 2 more lines\n*$/);
      term.resize(140, 24);
      await term.shows(/^PACK +VERSION .* CONFINEMENT\n/);
      await t.run(["stop", "two"]);
      expect(lines(await term.shows(/two +1.0.0 +1 +stopped/))).toBe(3);
      term.keys("C-c");
      await term.shows(/^PACK[^]*two +1.0.0 +1 +stopped[^]*ended with 0/);
      expect(await term.modes()).toMatchObject({ flags: "0 1 1" });
    },
  );
});
