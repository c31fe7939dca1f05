/** A quota that many processes share: never a byte or a file too many, and nothing that stays taken after a crash. */
import { expect, spyOn, test } from "bun:test";
import {
  appendFileSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { TEMPORARY_PREFIX } from "../../src/system/durable.ts";
import { tryFlock } from "../../src/system/flock.ts";
import { diskUsage } from "../../src/vfs/disk-scan.ts";
import { UsageRecord } from "../../src/vfs/usage-record.ts";
import { openVfs } from "../../src/vfs/vfs.ts";
import { auroraCommand, scratch } from "../support/aurora.ts";
import { codeOf } from "../support/planted-root.ts";
import { testHome } from "../support/test-home.ts";

const RECORD = `${TEMPORARY_PREFIX}usage`;
const module = join(import.meta.dir, "../../src/vfs/vfs.ts");

type Used = { bytes: number; entries: number };

/** What is there, by node:fs alone. */
function usedIn(directory: string): Used {
  const used = { bytes: 0, entries: 0 };
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.name.startsWith(TEMPORARY_PREFIX)) continue;
    used.entries++;
    if (entry.isFile()) used.bytes += statSync(join(entry.parentPath, entry.name)).size;
  }
  return used;
}

/** The same at a moment in which nobody is in the middle of anything. */
function usedBetween(directory: string): Used | undefined {
  const descriptor = openSync(directory, "r");
  try {
    return tryFlock(descriptor, "exclusive") ? usedIn(directory) : undefined;
  } catch (thrown) {
    // Removals need no lock.
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** Looks as often as it can until they have ended, and returns the most it has seen. */
async function mostUsed(directory: string, ended: Promise<unknown>): Promise<Used & { looks: number }> {
  const most = { bytes: 0, entries: 0, looks: 0 };
  const state = { isOver: false };
  void ended.then(() => (state.isOver = true));
  while (!state.isOver) {
    const used = usedBetween(directory);
    if (used) {
      most.looks++;
      most.bytes = Math.max(most.bytes, used.bytes);
      most.entries = Math.max(most.entries, used.entries);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return most;
}

/** Writes, appends, copies, links, moves and removes near the limit, and prints what it was told. */
const hammer = (root: string, quota: string, seed: number, rounds: number) => `
  const { openVfs } = await import(${JSON.stringify(module)});
  using vfs = openVfs({ root: ${JSON.stringify(root)}, quota: ${quota} });
  let state = ${seed};
  const below = (n) => (state = (state * 48271) % 2147483647) % n;
  const told = {};
  const name = () => "f" + below(30);
  const text = () => "x".repeat(below(400));
  async function* pieces() { yield Buffer.from(text()); await Bun.sleep(0); yield Buffer.from(text()); }
  console.log("ready");
  for (let round = 0; round < ${rounds}; round++) {
    const works = [
      () => vfs.write(name(), text()), () => vfs.write(name(), pieces()), () => vfs.append(name(), text()),
      () => vfs.append(name(), pieces()), () => vfs.write(name(), text(), { isInPlace: true }),
      () => vfs.copy(name(), name()), () => vfs.copy("d", "e" + below(3), { isRecursive: true }),
      () => vfs.create(name(), text()), () => vfs.makeDirectory("d/" + name(), { hasParents: true }),
      () => vfs.rename(name(), "d/" + name()), () => vfs.rename("d/" + name(), name()),
      () => vfs.symlink("f1", "l" + below(9)), () => vfs.remove(name(), true), () => vfs.remove("e" + below(3), true),
    ];
    try { await works[below(works.length)](); told.ok = (told.ok ?? 0) + 1; }
    catch (thrown) { if (thrown.name !== "AuroraError") throw thrown; told[thrown.code] = (told[thrown.code] ?? 0) + 1; }
  }
  console.log(JSON.stringify(told));
`;

function hammering(root: string, quota: string, count: number, rounds: number) {
  return Array.from({ length: count }, (_, i) =>
    Bun.spawn([process.execPath, "-e", hammer(root, quota, 1000 + i, rounds)], {
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
}

/** To the last byte and no further, by a process that has nothing to do with the others. */
async function expectFull(root: string, quota: { bytes: number; entries: number }): Promise<void> {
  using vfs = openVfs({ root, quota });
  for (const name of ["f0", "f1", "d"]) await codeOf(() => vfs.remove(name, true));
  const { bytes } = usedIn(root);
  expect(await codeOf(() => vfs.write("last", "x".repeat(quota.bytes - bytes + 1)))).toBe("quota-exceeded");
  await vfs.write("last", "x".repeat(quota.bytes - bytes));
  for (let i = usedIn(root).entries; i < quota.entries; i++) await vfs.write(`empty ${i}`, "");
  expect(usedIn(root)).toEqual(quota);
  expect(await codeOf(() => vfs.makeDirectory("one more"))).toBe("quota-exceeded");
  expect(await codeOf(() => vfs.append("last", "x"))).toBe("quota-exceeded");
}

const memory = existsSync("/dev/shm") ? "/dev/shm" : undefined;

test("twenty processes that do all there is never go over by a byte or a file", async () => {
  // In memory: a disk that stands still for ten seconds has everybody told that others are at it.
  using directory = scratch(memory);
  const quota = { bytes: 3000, entries: 24 };
  const children = hammering(directory.path, JSON.stringify(quota), 20, 150);
  const most = await mostUsed(directory.path, Promise.all(children.map(({ exited }) => exited)));
  const told = await Promise.all(children.map(({ stdout }) => stdout.text()));
  expect(await Promise.all(children.map(({ stderr }) => stderr.text()))).toEqual(children.map(() => ""));
  expect(most.bytes).toBeLessThanOrEqual(quota.bytes);
  expect(most.entries).toBeLessThanOrEqual(quota.entries);
  // It was tight: else this would say nothing.
  expect(most.bytes).toBeGreaterThan(quota.bytes * 0.9);
  expect(most.looks).toBeGreaterThan(20);
  expect(told.join("")).toContain("quota-exceeded");
  expect(told.join("")).not.toContain("locked");
  await expectFull(directory.path, quota);
}, 120_000);

test("who is killed in the middle keeps nothing", async () => {
  using directory = scratch();
  const quota = { bytes: 3000, entries: 24 };
  const children = hammering(directory.path, JSON.stringify(quota), 8, 1_000_000);
  const killed = (async () => {
    for (const child of children) {
      for await (const _ready of child.stdout) break;
      // At some moment, after something that it has done.
      for (let looks = 0; looks < 20;) {
        if (usedBetween(directory.path)) looks++;
        await new Promise((resolve) => setImmediate(resolve));
      }
      child.kill("SIGKILL");
      await child.exited;
    }
  })();
  const most = await mostUsed(directory.path, killed);
  expect(most.bytes).toBeLessThanOrEqual(quota.bytes);
  expect(most.entries).toBeLessThanOrEqual(quota.entries);
  await expectFull(directory.path, quota);
}, 120_000);

test("what is written past it is not stopped, and counts for the next command and within a second", async () => {
  using directory = scratch();
  const clock = { now: 1000 };
  const open = () =>
    openVfs({ root: directory.path, quota: { bytes: 100, entries: 10 }, now: () => clock.now });
  using first = open();
  await first.write("a", "x".repeat(50));
  appendFileSync(`${directory.path}/past`, "x".repeat(40));
  using second = open();
  expect(await codeOf(() => second.write("b", "x".repeat(11)))).toBe("quota-exceeded");
  await second.write("b", "x".repeat(10));
  // The first has been told what the second has added.
  expect(await codeOf(() => first.append("a", "x"))).toBe("quota-exceeded");
  rmSync(`${directory.path}/past`);
  await first.append("a", "x".repeat(40));
  appendFileSync(`${directory.path}/a`, "x".repeat(40));
  clock.now += 1001;
  rmSync(`${directory.path}/b`);
  expect(await codeOf(() => first.write("c", "x"))).toBe("quota-exceeded");
});

test("a file with two names counts for each of them", async () => {
  using directory = scratch();
  using vfs = openVfs({ root: directory.path, quota: { bytes: 100 } });
  writeFileSync(`${directory.path}/a`, "x".repeat(10));
  linkSync(`${directory.path}/a`, `${directory.path}/b`);
  expect(await codeOf(() => vfs.append("a", "x".repeat(41)))).toBe("quota-exceeded");
  expect(await codeOf(() => vfs.write("a", "x".repeat(51), { isInPlace: true }))).toBe("quota-exceeded");
  await vfs.append("a", "x".repeat(40));
  expect(usedIn(directory.path).bytes).toBe(100);
});

test.each([
  ["missing", (path: string) => rmSync(path)],
  ["cut off", (path: string) => writeFileSync(path, "short")],
  ["full of zeros", (path: string) => writeFileSync(path, Buffer.alloc(64))],
  [
    "another directory's",
    (path: string) => {
      const content = readFileSync(path);
      rmSync(path);
      writeFileSync(path, content);
    },
  ],
  ["a directory", (path: string) => (rmSync(path), mkdirSync(path))],
  ["a fifo", (path: string) => (rmSync(path), void Bun.spawnSync(["mkfifo", path]))],
  ["a link to something else", (path: string) => (rmSync(path), symlinkSync("other", path))],
  [
    "another name of something else",
    (path: string) => (rmSync(path), linkSync(join(path, "../other"), path)),
  ],
])("a record that is %s makes everybody count, and nothing else is written to", async (_what, spoil) => {
  using directory = scratch();
  const quota = { bytes: 100, entries: 10 };
  using vfs = openVfs({ root: directory.path, quota });
  await vfs.write("other", "x".repeat(60));
  const record = `${directory.path}/${RECORD}`;
  spoil(record);
  using another = openVfs({ root: directory.path, quota });
  for (const each of [vfs, another]) {
    expect(await codeOf(() => each.write("b", "x".repeat(41)))).toBe("quota-exceeded");
    await each.write("b", "x".repeat(40));
    expect(await codeOf(() => each.append("b", "x"))).toBe("quota-exceeded");
    await each.remove("b");
  }
  expect(readFileSync(`${directory.path}/other`, "utf8")).toBe("x".repeat(60));
  expect(await vfs.names("/")).toEqual(["other"]);
});

test("without a quota there is no record and no lock", async () => {
  using directory = scratch();
  using vfs = openVfs({ root: directory.path });
  const descriptor = openSync(directory.path, "r");
  expect(tryFlock(descriptor, "exclusive")).toBe(true);
  await vfs.write("d/a", "1", { hasParents: true });
  await vfs.append("d/a", "1");
  await vfs.rename("d/a", "b");
  closeSync(descriptor);
  expect(readdirSync(directory.path).toSorted()).toEqual(["b", "d"]);
});

test("a directory that is removed while it is counted holds nothing", async () => {
  using directory = scratch();
  mkdirSync(`${directory.path}/gone`);
  const [gone, root] = [openSync(`${directory.path}/gone`, "r"), openSync(directory.path, "r")];
  rmdirSync(`${directory.path}/gone`);
  expect(diskUsage(gone)).toEqual({ bytes: 0, files: 0, entries: 0 });
  const script = "while :; do mkdir a a/b a/b/c; rmdir a/b/c a/b a; done";
  const other = Bun.spawn(["sh", "-c", script], { cwd: directory.path, stderr: "ignore" });
  for (let i = 0; i < 20_000; i++) expect(diskUsage(root).entries).toBeLessThanOrEqual(3);
  other.kill();
  await other.exited;
  for (const each of [gone, root]) closeSync(each);
});

test("who finds it locked for too long says so, and has done nothing", () => {
  using directory = scratch();
  const [held, root] = [openSync(directory.path, "r"), openSync(directory.path, "r")];
  tryFlock(held, "exclusive");
  expect(new UsageRecord(root, undefined).lock(0)).toBe(false);
  closeSync(held);
  const record = new UsageRecord(root, undefined);
  expect(record.lock(0)).toBe(true);
  record.unlock();
  closeSync(root);
});

test("as long as others have their turns, one that has none yet waits on, but not for ever", () => {
  using directory = scratch();
  const [held, root] = [openSync(directory.path, "r"), openSync(directory.path, "r")];
  const record = `${directory.path}/${RECORD}`;
  writeFileSync(record, "");
  tryFlock(held, "exclusive");
  let seconds = 0;
  let freeAfter = 1000;
  using _now = spyOn(performance, "now").mockImplementation(() => seconds * 1000);
  using _sleep = spyOn(Bun, "sleepSync").mockImplementation(() => {
    seconds++;
    utimesSync(record, seconds, seconds);
    if (seconds === freeAfter) closeSync(held);
  });
  expect(new UsageRecord(root, undefined).lock(10_000)).toBe(false);
  expect(seconds).toBeGreaterThan(60);
  freeAfter = seconds + 30;
  const waiting = new UsageRecord(root, undefined);
  expect(waiting.lock(10_000)).toBe(true);
  expect(seconds).toBe(freeAfter);
  waiting.unlock();
  closeSync(root);
});

test("commands at the same time: write, append, cp and import keep within it together", async () => {
  await using t = testHome();
  const quiet = { start: null, stop: null, health: null };
  t.write({ ...quiet, id: "app", manifest: "  data: { quota: { size: 1000, files: 12 } }" });
  await t.run(["install", "app"]);
  const data = `${t.home}/data/app`;
  const [aurora, source] = [auroraCommand.join(" "), `${t.home}/../source`];
  mkdirSync(source);
  writeFileSync(`${source}/in`, "x".repeat(120));
  await t.run(["vfs", "write", "app", "seed"], { stdin: "x".repeat(90) });
  const lines = (i: number) => [
    `printf %0${70 + i}d 0 | ${aurora} vfs write app w${i}`,
    `printf %0${40 + i}d 0 | ${aurora} vfs append app log`,
    `${aurora} vfs cp app seed c${i}`,
    `${aurora} vfs import app ${source} i${i}`,
  ];
  const children = Array.from({ length: 20 }, (_, i) =>
    Bun.spawn(["sh", "-c", `${lines(i)[i % 4]}; ${lines(i)[(i + 1) % 4]}`], {
      env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent", AURORA_HOME: t.home },
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  const most = await mostUsed(data, Promise.all(children.map(({ exited }) => exited)));
  const said = (await Promise.all(children.map(({ stderr }) => stderr.text()))).join("");
  expect(most.bytes).toBeLessThanOrEqual(1000);
  expect(most.entries).toBeLessThanOrEqual(12);
  expect(Math.max(most.bytes / 1000, most.entries / 12)).toBeGreaterThan(0.85);
  expect(said).toMatch(
    /^(error\[quota-exceeded\]: cannot \w+( \w+)? "[^"]*": the quota does not allow it\n)+$/,
  );
  const left = 1000 - usedIn(data).bytes;
  const full = await t.run(["vfs", "append", "app", "seed"], { stdin: "x".repeat(left) });
  expect([full.exitCode, usedIn(data).bytes]).toEqual([0, 1000]);
  expect((await t.run(["vfs", "append", "app", "seed"], { stdin: "x" })).exitCode).toBe(1);
}, 120_000);
