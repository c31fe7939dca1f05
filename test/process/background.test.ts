import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";

import {
  backgroundProcesses,
  type BackgroundRecord,
  findBackground,
  listBackground,
  MAX_ENDED_RECORDS,
  startBackground,
  stopBackground,
} from "../../src/process/background.ts";
import { findProcesses } from "../../src/process/tree.ts";
import { scratch } from "../support/aurora.ts";

function workshop() {
  const directory = scratch();
  const records = `${directory.path}/run/background`;
  let second = 0;
  return {
    records,
    path: directory.path,
    start: (argv: string[], owner = "pack") =>
      startBackground({
        argv,
        cwd: "/",
        prepare: (tmpDirectory) => ({ env: { PATH: "/usr/bin:/bin", AURORA_TMP_DIR: tmpDirectory } }),
        owner,
        directory: records,
        logFile: (id) => `${directory.path}/exec-${id}.log`,
        now: new Date(Date.UTC(2026, 0, 1, 0, 0, second++)),
      }),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

async function ended(record: BackgroundRecord): Promise<void> {
  while (backgroundProcesses(record).length > 0) await Bun.sleep(1);
}

test("a command runs on, in a session of its own, with its output in a file", async () => {
  using shop = workshop();
  const record = await shop.start([
    "sh",
    "-c",
    'echo out; echo err >&2; echo "$AURORA_BACKGROUND_ID $AURORA_TMP_DIR"',
  ]);
  const { id, pid } = record;
  expect(record).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{12}$/),
    owner: "pack",
    argv: expect.any(Array),
    started_at: "2026-01-01T00:00:00.000Z",
    log_file: `${shop.path}/exec-${id}.log`,
    pid: expect.any(Number),
    start_time: expect.any(Number),
    boot_id: expect.any(String),
  });
  await ended(record);
  expect(readFileSync(record.log_file, "utf8")).toBe(`out\nerr\n${id} ${shop.records}/${id}.tmp\n`);
  expect(statSync(record.log_file).mode & 0o777).toBe(0o640);
  expect(JSON.parse(readFileSync(`${shop.records}/${id}.json`, "utf8"))).toEqual(record);
  expect(pid).not.toBe(process.pid);
});

test("where its log cannot be opened, nothing is left", async () => {
  using shop = workshop();
  const start = startBackground({
    argv: ["true"],
    cwd: "/",
    prepare: () => ({ env: {} }),
    owner: "pack",
    directory: shop.records,
    logFile: () => `${shop.path}/none/log`,
    now: new Date(),
  });
  expect(await start.then(() => "started", String)).toContain("ENOENT");
  expect(readdirSync(shop.records)).toEqual([]);
});

test("where it cannot be recorded that it runs, it is ended", async () => {
  using shop = workshop();
  let started = "";
  const start = startBackground({
    argv: ["sleep", "1000"],
    cwd: "/",
    prepare: (tmpDirectory) => {
      started = tmpDirectory.replace(/^.*\/|\.tmp$/g, "");
      rmSync(`${shop.records}/${started}.json`);
      mkdirSync(`${shop.records}/${started}.json`);
      return { env: { PATH: "/usr/bin:/bin" } };
    },
    owner: "pack",
    directory: shop.records,
    logFile: (id) => `${shop.path}/exec-${id}.log`,
    now: new Date(),
  });
  expect(await start.then(() => "started", String)).toContain("EISDIR");
  expect(findProcesses({ environment: { AURORA_BACKGROUND_ID: started } })).toEqual([]);
});

test("it survives its caller", async () => {
  using shop = workshop();
  const script = `const { startBackground } = await import("./src/process/background.ts");
    const record = await startBackground({ argv: ["sleep", "1000"], cwd: "/", prepare: () => ({ env: { PATH: "/usr/bin:/bin" } }),
      owner: "pack", directory: ${JSON.stringify(shop.records)},
      logFile: (id) => ${JSON.stringify(shop.path)} + "/" + id, now: new Date() });
    console.log(record.id);`;
  const caller = Bun.spawn([process.execPath, "-e", script], {
    cwd: `${import.meta.dir}/../..`,
    detached: true,
    stdout: "pipe",
  });
  const id = (await caller.stdout.text()).trim();
  expect(await caller.exited).toBe(0);
  const record = findBackground(shop.records, "pack", id) as BackgroundRecord;
  const [leader] = backgroundProcesses(record);
  expect(leader).toMatchObject({ pid: record.pid, command: "sleep 1000" });
  expect(await stopBackground(record, 5_000)).toMatchObject({ stopped: [leader], killed: [], survivors: [] });
  expect(backgroundProcesses(record)).toEqual([]);
});

test("it is ended with its whole tree", async () => {
  using shop = workshop();
  const record = await shop.start([
    "sh",
    "-c",
    // Whoever is there ignores the signal by then.
    "trap '' TERM; (setsid sleep 1000 &) ; sleep 1000; sleep 1000",
  ]);
  while (!backgroundProcesses(record).some(({ command }) => command === "sleep 1000")) await Bun.sleep(1);
  const { killed, survivors } = await stopBackground(record, 50);
  expect([killed.length > 0, survivors]).toEqual([true, []]);
});

test("a leader that has ended leaves what it started to be found", async () => {
  using shop = workshop();
  const record = await shop.start(["sh", "-c", "(setsid sleep 1000 &)"]);
  while (backgroundProcesses(record)[0]?.command !== "sleep 1000") await Bun.sleep(1);
  expect((await stopBackground(record, 5_000)).survivors).toEqual([]);
});

test("the number of a process that has ended is nobody's: another boot, another start", async () => {
  using shop = workshop();
  const record = await shop.start(["true"]);
  const mine = { ...record, id: "000000000000", pid: process.pid, start_time: 1 };
  expect(backgroundProcesses(mine)).toEqual([]);
  expect(backgroundProcesses({ ...record, boot_id: "another boot" })).toEqual([]);
});

test("what was begun but not recorded as started is found by its id", async () => {
  using shop = workshop();
  const record = await shop.start(["sleep", "1000"]);
  const intent = { ...record, pid: null, start_time: null };
  expect(backgroundProcesses(intent).map(({ pid }) => pid)).toEqual([record.pid as number]);
  await stopBackground(intent, 5_000);
});

test("a command that cannot be started leaves nothing", async () => {
  using shop = workshop();
  await expect(shop.start(["no-such-command"])).rejects.toThrow(
    'cannot run "no-such-command": it was not found',
  );
  expect(readdirSync(shop.records)).toEqual([]);
  expect(readdirSync(shop.path)).toEqual(["run"]);
});

test("owners see their own, and strange files are no records", async () => {
  using shop = workshop();
  const [one, two] = [await shop.start(["true"], "a"), await shop.start(["true"], "b")];
  writeFileSync(`${shop.records}/notes.json`, "{}");
  writeFileSync(`${shop.records}/aaaaaaaaaaaa.json`, "half a rec");
  mkdirSync(`${shop.records}/bbbbbbbbbbbb.json`);
  expect(listBackground(shop.records, "a")).toEqual([one]);
  expect(findBackground(shop.records, "a", two.id)).toBeUndefined();
  expect(findBackground(shop.records, "b", two.id)).toEqual(two);
  expect(findBackground(shop.records, "b", "../../etc/passwd")).toBeUndefined();
  expect(listBackground("/no/such/place", "a")).toEqual([]);
  await Promise.all([one, two].map(ended));
});

test("only so many that have ended are kept, with their logs", async () => {
  using shop = workshop();
  const first = await shop.start(["true"]);
  const running = await shop.start(["sleep", "1000"]);
  for (let i = 0; i < MAX_ENDED_RECORDS + 3; i++) await ended(await shop.start(["true"]));
  const kept = listBackground(shop.records, "pack");
  expect(kept).toHaveLength(MAX_ENDED_RECORDS + 1);
  expect(kept).toContainEqual(running);
  expect(kept).not.toContainEqual(first);
  expect(existsSync(first.log_file)).toBe(false);
  expect(readdirSync(shop.records).filter((name) => name.endsWith(".tmp")).length).toBeLessThanOrEqual(2);
  await stopBackground(running, 5_000);
}, 180_000);

test("one that is being started keeps its scratch when another is started meanwhile", async () => {
  using shop = workshop();
  const start = (prepare: Parameters<typeof startBackground>[0]["prepare"]) =>
    startBackground({
      argv: ["true"],
      cwd: "/",
      prepare,
      owner: "pack",
      directory: shop.records,
      logFile: (id) => `${shop.path}/exec-${id}.log`,
      now: new Date(),
    });
  let other: Promise<BackgroundRecord> | undefined;
  let isThere: boolean | undefined;
  const first = await start((tmpDirectory) => {
    other = shop.start(["true"]);
    isThere = existsSync(tmpDirectory);
    return { env: {} };
  });
  expect(isThere).toBe(true);
  for (const record of [first, await other]) await ended(record as BackgroundRecord);
  // Whoever starts one died before that: it is not waited for.
  writeFileSync(
    `${shop.records}/000000000000.json`,
    JSON.stringify({ ...first, id: "000000000000", pid: null, starter: { pid: 1, start_time: -1 } }),
  );
  mkdirSync(`${shop.records}/000000000000.tmp`);
  await ended(await shop.start(["true"]));
  expect(existsSync(`${shop.records}/000000000000.tmp`)).toBe(false);
});
