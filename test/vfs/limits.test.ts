/** What happens at the edges: quotas, full disks, crashes, things that vanish, and what is neither file nor directory. */
import { describe, expect, test } from "bun:test";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { AuroraError } from "../../src/errors.ts";
import { TEMPORARY_PREFIX } from "../../src/system/durable.ts";
import { statAt, statSlowly } from "../../src/system/file-stat.ts";
import { MemoryMount } from "../../src/vfs/memory-mount.ts";
import { SyncVfs } from "../../src/vfs/sync-vfs.ts";
import { openVfs, type Vfs } from "../../src/vfs/vfs.ts";
import { scratch } from "../support/aurora.ts";
import { codeOf } from "../support/planted-root.ts";

const isRoot = process.geteuid?.() === 0;

async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function messageOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return "ok";
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    return `${thrown.code}: ${thrown.message}`;
  }
}

function opened(quota: { bytes?: number; entries?: number } = {}) {
  const directory = scratch();
  mkdirSync(`${directory.path}/root`);
  const vfs = openVfs({ root: `${directory.path}/root`, quota });
  return {
    vfs,
    root: `${directory.path}/root`,
    directory: directory.path,
    [Symbol.dispose]: () => {
      vfs[Symbol.dispose]();
      directory[Symbol.dispose]();
    },
  };
}

describe("a quota on a disk", () => {
  test("counts each directory that is made, and not what is there", async () => {
    using t = opened({ entries: 3 });
    expect(await codeOf(() => t.vfs.makeDirectory("a/b/c/d", { hasParents: true }))).toBe("quota-exceeded");
    expect(Array.from(t.vfs.sync.walk("/"), ({ relative }) => relative)).toEqual(["a", "a/b", "a/b/c"]);
    await t.vfs.makeDirectory("a/b/c", { hasParents: true });
    expect(await codeOf(() => t.vfs.makeDirectory("a/b"))).toBe("exists");
    expect(await codeOf(() => t.vfs.write("a/b/x/y", "", { hasParents: true }))).toBe("quota-exceeded");
  });

  test("a slow writer's own unfinished file is not counted against it", async () => {
    const directory = scratch();
    using _directory = directory;
    const clock = { now: 0 };
    using vfs = openVfs({ root: directory.path, quota: { bytes: 1000 }, now: () => clock.now });
    await vfs.write("a", "x".repeat(900));
    async function* slow() {
      yield Buffer.from("y".repeat(600));
      clock.now += 10_000;
      yield Buffer.from("y".repeat(400));
      clock.now += 10_000;
    }
    await vfs.write("a", slow());
    expect((await vfs.read("a")).length).toBe(1000);
    writeFileSync(`${directory.path}/${TEMPORARY_PREFIX}left`, "z".repeat(500));
    expect(vfs.mounts()[0]?.space().usage).toEqual({ bytes: 1000, files: 1, entries: 1 });
  });

  test("an append that does not fit leaves no file where there was none, and the old content where there was one", async () => {
    using t = opened({ bytes: 10 });
    expect(await codeOf(() => t.vfs.append("log", "x".repeat(11)))).toBe("quota-exceeded");
    expect(await codeOf(() => t.vfs.write("place", "x".repeat(11), { isInPlace: true }))).toBe(
      "quota-exceeded",
    );
    expect(await t.vfs.names("/")).toEqual([]);
    await t.vfs.append("log", "12345");
    expect(await codeOf(() => t.vfs.append("log", chunks("1234", "5678")))).toBe("quota-exceeded");
    expect(readFileSync(`${t.root}/log`, "utf8")).toBe("12345");
  });

  test("holds for a part of it that is mounted elsewhere", async () => {
    using t = opened();
    const other = scratch();
    using _other = other;
    mkdirSync(`${other.path}/shared`);
    writeFileSync(`${other.path}/private`, "x".repeat(90));
    const quota = { bytes: 100 };
    t.vfs.mount({ path: "/m", kind: "data", directory: other.path, subPath: "/shared", mode: "rw", quota });
    await t.vfs.write("/m/a", "x".repeat(10));
    expect(await codeOf(() => t.vfs.write("/m/b", "x"))).toBe("quota-exceeded");
  });
});

test("memory holds no more than it may, however many are writing", async () => {
  using vfs = new SyncVfs(new MemoryMount(1000), []);
  const first = vfs.create("a");
  first.write(Buffer.alloc(600));
  const second = vfs.create("b");
  expect(await codeOf(() => second.write(Buffer.alloc(600)))).toBe("quota-exceeded");
  first[Symbol.dispose]();
  second.write(Buffer.alloc(600));
  second.commit();
  second[Symbol.dispose]();
  expect(vfs.names("/")).toEqual(["b"]);
  expect(await codeOf(() => vfs.write("c", Buffer.alloc(401)))).toBe("quota-exceeded");
});

test("a tree in memory that renames have made deeper than any path is counted and removed", () => {
  using vfs = new SyncVfs(new MemoryMount(1000), []);
  const deep = Array.from({ length: 300 }, () => "n").join("/");
  for (let round = 0; round < 20; round++) {
    vfs.makeDirectory(`fresh/${deep}`, { hasParents: true });
    if (round > 0) vfs.rename("tree", `fresh/${deep}/tree`);
    vfs.rename("fresh", "tree");
  }
  expect(vfs.mounts()[0]?.space().usage.entries).toBe(6020);
  vfs.remove("tree", true);
  expect(vfs.names("/")).toEqual([]);
});

test("a writer that is killed leaves nothing of a stream, and the old content", async () => {
  using t = opened();
  await t.vfs.write("a", "old");
  const module = join(import.meta.dir, "../../src/vfs/vfs.ts");
  const script = `
    const { openVfs } = await import(${JSON.stringify(module)});
    const vfs = openVfs({ root: ${JSON.stringify(t.root)} });
    await vfs.write("a", (async function* () { yield Buffer.alloc(100_000); console.log("half"); await Bun.sleep(60_000); })());
  `;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  for await (const _half of child.stdout) break;
  child.kill("SIGKILL");
  await child.exited;
  expect(readdirSync(t.root)).toEqual(["a"]);
  expect(readFileSync(`${t.root}/a`, "utf8")).toBe("old");
});

test("a copy that is stopped removes what it has made", async () => {
  using t = opened();
  for (let i = 0; i < 200; i++) await t.vfs.write(`from/${i}`, "x".repeat(100), { hasParents: true });
  const stop = new AbortController();
  stop.abort();
  // Stopped at the first turn that it gives: the steps before that have made something.
  expect(await codeOf(() => t.vfs.copy("from", "to", { isRecursive: true }, stop.signal))).toBe(
    "interrupted",
  );
  const steps = t.vfs.sync.copySteps("from", "to", { isRecursive: true });
  for (let i = 0; i < 50; i++) steps.next();
  expect((await t.vfs.names("to")).length).toBeGreaterThan(10);
  steps.return({ bytes: 0, files: 0 });
  expect(readdirSync(t.root)).toEqual(["from"]);
});

test("a move to another mount fails where rename(2) would, and then nothing has moved", async () => {
  using t = opened();
  t.vfs.mount({ path: "/m", kind: "memory", sizeBytes: 1000 });
  for (const path of ["d/f", "/m/full/x", "/m/file"]) await t.vfs.write(path, "1", { hasParents: true });
  await t.vfs.makeDirectory("/m/empty");
  const codes = [
    ["d", "/m/full"],
    ["d", "/m/file"],
    ["d/f", "/m/full"],
    ["d/f", "/m/new/"],
  ].map(([from = "", to = ""]) => codeOf(() => t.vfs.rename(from, to)));
  expect(await Promise.all(codes)).toEqual([
    "not-empty",
    "not-a-directory",
    "is-a-directory",
    "not-a-directory",
  ]);
  expect(await t.vfs.names("/m/full")).toEqual(["x"]);
  await t.vfs.rename("d", "/m/empty");
  expect(await t.vfs.readText("/m/empty/f")).toBe("1");
  expect(readdirSync(t.root)).toEqual([]);
});

test("a move from another mount takes the place of a link, as rename(2) does, and not of what the link leads to", async () => {
  using t = opened();
  t.vfs.mount({ path: "/m", kind: "memory", sizeBytes: 1000 });
  for (const at of ["", "/m"]) {
    await t.vfs.write(`${at}/led-to`, "stays");
    await t.vfs.symlink("led-to", `${at}/link`);
    await t.vfs.write(`${at}/new`, "new");
  }
  await t.vfs.write("/big", "x".repeat(2000));
  expect(await codeOf(() => t.vfs.rename("/big", "/m/link"))).toBe("quota-exceeded");
  expect(await t.vfs.readLink("/m/link")).toBe("led-to");
  await t.vfs.rename("/new", "/m/link");
  await t.vfs.rename("/m/new", "/link");
  for (const at of ["", "/m"]) {
    expect(await t.vfs.readText(`${at}/led-to`)).toBe("stays");
    expect((await t.vfs.stat(`${at}/link`, false)).type).toBe("file");
    expect(await t.vfs.readText(`${at}/link`)).toBe("new");
  }
  expect(t.vfs.mounts()[1]?.space().usage).toEqual({ bytes: 8, files: 2, entries: 2 });
  await t.vfs.makeDirectory("/m/d");
  expect(await codeOf(() => t.vfs.rename("/led-to", "/m/d", { isNew: true }))).toBe("exists");
  await t.vfs.symlink("d", "/m/to-d");
  expect(await codeOf(() => t.vfs.rename("/m/to-d/", "/moved"))).toBe("not-a-directory");
  expect(await t.vfs.names("/")).not.toContain("moved");
});

test("what vanishes during an export is left out, and the archive is whole", async () => {
  using t = opened();
  for (const name of ["a", "b", "c"]) await t.vfs.write(name, name);
  await t.vfs.symlink("a", "d");
  const left: string[] = [];
  const parts: Buffer[] = [];
  for (const part of t.vfs.exportTar("/", (message) => left.push(message))) {
    // The directory was listed when its first file comes.
    if (parts.length === 1) {
      for (const name of ["b", "d"]) await t.vfs.remove(name);
      mkdirSync(`${t.root}/b`);
    }
    parts.push(Buffer.from(part));
  }
  const reason = "it is not there any more, or is something else now";
  expect(left).toEqual([`left out "/b": ${reason}`, `left out "/d": ${reason}`]);
  const tar = Bun.spawnSync(["tar", "-tf", "-"], { stdin: Buffer.concat(parts) });
  expect(tar.stdout.toString()).toBe("./\n./a\n./c\n");
  expect(await codeOf(() => [...t.vfs.exportTar("none", () => {})])).toBe("not-found");
});

describe("a watch", () => {
  async function seen(vfs: Vfs, path: string, work: () => unknown, isLast: (name: string | null) => boolean) {
    const stop = new AbortController();
    const events: string[] = [];
    const watching = (async () => {
      for await (const { type, name } of vfs.watch(path, stop.signal)) {
        events.push(`${type} ${name}`);
        if (isLast(name)) stop.abort();
      }
    })();
    await work();
    await watching;
    return events;
  }

  test("follows the directory itself, and not what is put in its place", async () => {
    using t = opened();
    await t.vfs.makeDirectory("d");
    const work = () => {
      renameSync(`${t.root}/d`, `${t.root}/moved`);
      mkdirSync(`${t.root}/d`);
      mkdirSync(`${t.root}/d/other`);
      mkdirSync(`${t.root}/moved/mine`);
      mkdirSync(`${t.root}/moved/end`);
    };
    const events = await seen(t.vfs, "d", work, (name) => name === "end");
    expect(events).toEqual(["rename mine", "rename end"]);
  });

  test("that nobody has looked at is closed by its end too", async () => {
    using t = opened();
    const before = readdirSync("/proc/self/fd").length;
    for (let i = 0; i < 10; i++) {
      const { events, stop } = t.vfs.sync.watch("/");
      stop();
      expect(await Array.fromAsync(events)).toEqual([]);
    }
    const { stop } = t.vfs.sync.watch("/");
    stop();
    // The runtime closes its own copy of a descriptor some turns later.
    const count = () => readdirSync("/proc/self/fd").length;
    while (count() > before) await new Promise((resolve) => setImmediate(resolve));
  });

  test("ends when what it watches is gone", async () => {
    using t = opened();
    await t.vfs.write("f", "1");
    const events = await seen(
      t.vfs,
      "f",
      () => t.vfs.remove("f"),
      () => false,
    );
    expect(events.length).toBeGreaterThan(0);
  });

  test("in memory says what it says on a disk", async () => {
    using t = opened();
    t.vfs.mount({ path: "/m", kind: "memory", sizeBytes: 1000 });
    await t.vfs.makeDirectory("/m/d");
    const work = async () => {
      await t.vfs.write("/m/d/f", "1");
      await t.vfs.append("/m/d/f", "2");
      await t.vfs.setExecutable("/m/d/f", true);
      await t.vfs.rename("/m/d/f", "/m/d/g");
      await t.vfs.remove("/m/d", true);
    };
    expect(await seen(t.vfs, "/m/d", work, () => false)).toEqual([
      "rename f",
      "change f",
      "change f",
      "rename f",
      "rename g",
      "rename null",
    ]);
  });
});

test("a stream's pieces are the reader's, and it stops where the reader does", async () => {
  using t = opened();
  await t.vfs.write("a", Buffer.alloc(1_000_000, "x"));
  const pieces = await Array.fromAsync(t.vfs.stream("a"));
  expect(Buffer.concat(pieces).equals(Buffer.alloc(1_000_000, "x"))).toBe(true);
  const before = readdirSync("/proc/self/fd").length;
  const reader = t.vfs.stream("a").getReader();
  await reader.read();
  await reader.cancel();
  expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
});

test("no operation keeps a descriptor, whether it succeeds or fails", async () => {
  using t = opened();
  for (const path of ["f", "d/e/f"]) await t.vfs.write(path, "1", { hasParents: true });
  Bun.spawnSync(["mkfifo", `${t.root}/fifo`]);
  const works = ["f", "d", "d/e/f", "fifo", "none", "none/x", "f/x", "d/"].flatMap((path) => [
    () => t.vfs.read(path),
    () => t.vfs.write(path, "1"),
    () => t.vfs.write(path, chunks("1")),
    () => t.vfs.write(path, "1", { isNew: true }),
    () => t.vfs.write(path, "1", { isInPlace: true }),
    () => t.vfs.append(path, "1"),
    () => t.vfs.list(path),
    () => t.vfs.stat(path),
    () => t.vfs.copy(path, "copied", { isRecursive: true }),
    () => t.vfs.makeDirectory(path),
    () => t.vfs.rename(path, "moved", { isNew: true }),
    () => t.vfs.rename("moved", path),
    () => t.vfs.setExecutable(path, true),
    () => t.vfs.readLink(path),
    () => t.vfs.lock(path, "shared", 0).then((lock) => lock[Symbol.dispose]()),
    () => t.vfs.remove("copied", true),
  ]);
  for (const work of works) await codeOf(work);
  const before = readdirSync("/proc/self/fd").length;
  for (const work of works) await codeOf(work);
  // Of earlier tests the runtime may have closed some meanwhile.
  expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
});

test("a look by statx and one by node:fs say the same", () => {
  using t = opened();
  writeFileSync(`${t.root}/f`, "12345");
  const words = ["f", "root", "none"].map((name) => {
    const parent = name === "root" ? t.directory : t.root;
    const descriptor = openSync(parent, "r");
    const both = [statAt(descriptor, name), statSlowly(descriptor, name)];
    closeSync(descriptor);
    return both.map((stat) => stat && { ...stat, device: 0 });
  });
  for (const [fast, slow] of words) expect(fast).toEqual(slow as typeof fast);
});

test.skipIf(!isRoot)("as root, what is created in somebody's directory is theirs (needs root)", async () => {
  const directory = scratch();
  using _directory = directory;
  chownSync(directory.path, 65_534, 65_534);
  using vfs = openVfs({ root: directory.path });
  await vfs.write("d/atomic", "1", { hasParents: true });
  await vfs.write("d/stream", chunks("1"));
  await vfs.write("d/place", "1", { isInPlace: true });
  await vfs.append("d/log", "1");
  for (const path of ["d", "d/atomic", "d/stream", "d/place", "d/log"]) {
    const { uid, gid } = statSync(`${directory.path}/${path}`);
    expect([path, uid, gid]).toEqual([path, 65_534, 65_534]);
  }
});

test.skipIf(!isRoot)("devices are refused by all that would open them (needs root)", async () => {
  using t = opened();
  if (!Bun.spawnSync(["mknod", `${t.root}/zero`, "c", "1", "5"]).success) return;
  const works = [
    () => t.vfs.read("zero"),
    () => t.vfs.write("zero", "1"),
    () => t.vfs.write("zero", "1", { isInPlace: true }),
    () => t.vfs.append("zero", "1"),
    () => t.vfs.copy("zero", "copied"),
    () => t.vfs.lock("zero"),
    () => t.vfs.setExecutable("zero", true),
  ];
  expect(await Promise.all(works.map(codeOf))).toEqual(works.map(() => "not-regular"));
});

describe.skipIf(!isRoot)("on a file system of its own (needs root)", () => {
  function mounted(size: string) {
    const t = opened();
    mkdirSync(`${t.root}/small`);
    const isMounted = Bun.spawnSync([
      "mount",
      "-t",
      "tmpfs",
      "-o",
      `size=${size}`,
      "none",
      `${t.root}/small`,
    ]).success;
    return {
      ...t,
      isMounted,
      [Symbol.dispose]: () => {
        if (isMounted) Bun.spawnSync(["umount", "-l", `${t.root}/small`]);
        t[Symbol.dispose]();
      },
    };
  }

  test("a full disk leaves the old content for every way to write, and nothing beside it", async () => {
    using t = mounted("256k");
    if (!t.isMounted) return;
    const big = "x".repeat(400_000);
    await t.vfs.write("small/a", "old");
    await t.vfs.write("big", big);
    const works = [
      () => t.vfs.write("small/a", big),
      () => t.vfs.write("small/a", chunks(big)),
      () => t.vfs.write("small/new", chunks(big)),
      () => t.vfs.append("small/a", big),
      () => t.vfs.append("small/log", chunks(big)),
      () => t.vfs.copy("big", "small/a"),
      () => t.vfs.importDirectory(t.root, "small/imported"),
    ];
    for (const work of works) {
      expect(await messageOf(work)).toMatch(
        /^no-space: cannot .* "\/small\/.*": no space left on the device$/,
      );
      expect(await t.vfs.readText("small/a")).toBe("old");
      expect(await t.vfs.names("small")).toEqual(["a"]);
    }
  });

  test("a move across it says that it is another file system", async () => {
    using t = mounted("1m");
    if (!t.isMounted) return;
    await t.vfs.write("a", "1");
    expect(await messageOf(() => t.vfs.rename("a", "small/a"))).toBe(
      'not-supported: cannot move to "/small/a": it is on another file system: copy it and remove the old',
    );
    expect(await codeOf(() => t.vfs.remove("small", true))).toBe("conflict");
    expect(existsSync(`${t.root}/a`)).toBe(true);
  });
});

describe.skipIf(Bun.which("strace") === null)("what is durable", () => {
  /** The paths that a durable operation flushes, from the root of the VFS. */
  function flushedBy(t: ReturnType<typeof opened>, work: string): string[] {
    const module = join(import.meta.dir, "../../src/vfs/vfs.ts");
    const script = `
      const { openVfs } = await import(${JSON.stringify(module)});
      const vfs = openVfs({ root: ${JSON.stringify(t.root)} });
      ${work}
    `;
    const log = `${t.directory}/strace`;
    const command = [
      "strace",
      "-f",
      "-y",
      "-o",
      log,
      "-e",
      "trace=fsync,fdatasync",
      process.execPath,
      "-e",
      script,
    ];
    expect(Bun.spawnSync(command).stderr.toString()).toBe("");
    return [...readFileSync(log, "utf8").matchAll(/sync\(\d+<([^>]*)>/g)]
      .map(([, path = ""]) => path.slice(t.root.length) || "/")
      .map((path) =>
        path.replace(/\.aurora-tmp\.[^/]*|#\d+ \(deleted\)/, "UNFINISHED").replace(" (deleted)", ""),
      );
  }

  test("a write flushes the file and every directory above it, by way of a link too", async () => {
    using t = opened();
    await t.vfs.makeDirectory("d/e", { hasParents: true });
    await t.vfs.symlink("d/e/f", "link");
    expect(flushedBy(t, 'await vfs.write("link", "1", { isDurable: true });')).toEqual([
      "/d/e/UNFINISHED",
      "/d/e",
      "/d",
      "/",
    ]);
    expect(flushedBy(t, 'await vfs.append("link", "1", { isDurable: true });')).toEqual([
      "/d/e/f",
      "/d/e",
      "/d",
      "/",
    ]);
    expect(flushedBy(t, 'await vfs.write("link", "1");')).toEqual([]);
  });

  test("a name that comes or goes flushes the directories that it was in", async () => {
    using t = opened();
    await t.vfs.write("a/f", "1", { hasParents: true });
    const flushed = (work: string) => flushedBy(t, work);
    expect(flushed('await vfs.makeDirectory("b", { isDurable: true });')).toEqual(["/", "/b", "/"]);
    expect(flushed('await vfs.rename("a/f", "b/f", { isDurable: true });')).toEqual(["/b", "/", "/a", "/"]);
    expect(flushed('await vfs.symlink("f", "b/link", true);')).toEqual(["/b", "/"]);
    expect(flushed('await vfs.remove("b", true, true);')).toEqual(["/"]);
  });
});

describe.skipIf(Bun.which("strace") === null)("where openat2(2) is not offered", () => {
  test.each(["ENOSYS", "EPERM"])("%s: paths are looked up by hand", async (error) => {
    using t = opened();
    await t.vfs.write("d/f", "text", { hasParents: true });
    await t.vfs.symlink("d", "link");
    const module = join(import.meta.dir, "../../src/vfs/vfs.ts");
    const script = `
      const { openVfs } = await import(${JSON.stringify(module)});
      const vfs = openVfs({ root: ${JSON.stringify(t.root)} });
      await vfs.write("link/g", await vfs.readText("link/f"));
      console.log((await vfs.names("d")).sort().join());
    `;
    const child = Bun.spawnSync([
      "strace",
      "-f",
      "-o",
      "/dev/null",
      "-e",
      `inject=openat2:error=${error}`,
      process.execPath,
      "-e",
      script,
    ]);
    expect(child.stdout.toString()).toBe("f,g\n");
  });
});
