/** The library: content, trees, mounts, limits, and what happens when many work at once. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { AuroraError } from "../../src/errors.ts";
import { TEMPORARY_PREFIX } from "../../src/system/durable.ts";
import { tryFlock } from "../../src/system/flock.ts";
import { MAX_COUNT_AGE_MS } from "../../src/vfs/accounting.ts";
import { MAX_DEPTH } from "../../src/vfs/disk-root.ts";
import { ABANDONED_AFTER_MS } from "../../src/vfs/disk-scan.ts";
import { MAX_MOUNTS, type MountSpec, mountTable } from "../../src/vfs/mount-table.ts";
import { decodeName, encodeName, printableName } from "../../src/vfs/raw-name.ts";
import { MAX_LINKS, type Resolve, resolveByKernel, resolveByWalk } from "../../src/vfs/resolve.ts";
import { tmpfsDirectory } from "../../src/vfs/tmpfs-directory.ts";
import { openVfs } from "../../src/vfs/vfs.ts";
import { scratch } from "../support/aurora.ts";
import { codeOf } from "../support/planted-root.ts";

async function* chunks(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === "string" ? Buffer.from(part) : part;
}

function opened(
  options: { mounts?: MountSpec[]; quota?: { bytes?: number; entries?: number }; resolve?: Resolve } = {},
) {
  const directory = scratch();
  const root = `${directory.path}/root`;
  mkdirSync(root);
  const vfs = openVfs({ root, ...options });
  return {
    vfs,
    root,
    directory: directory.path,
    [Symbol.dispose]: () => {
      vfs[Symbol.dispose]();
      directory[Symbol.dispose]();
    },
  };
}

describe.each([
  ["by the kernel", resolveByKernel],
  ["by hand", resolveByWalk],
])("%s", (_way, resolve) => {
  test("the seed's five operations, without its faults", async () => {
    using t = opened({ resolve });
    await t.vfs.write("foo..bar", "text");
    expect(await t.vfs.readText("foo..bar")).toBe("text");
    expect(await t.vfs.names("/")).toEqual(["foo..bar"]);
    expect(t.vfs.sync.hostPath("foo..bar")).toBe(`${t.root}/foo..bar`);
    expect(await codeOf(() => t.vfs.remove(""))).toBe("invalid-path");
    expect(await codeOf(() => t.vfs.remove("..", true))).toBe("escape-refused");
    await t.vfs.remove("foo..bar");
    expect(readdirSync(t.root)).toEqual([]);
  });

  test("a write is whole or not at all, keeps the mode, and leaves nothing beside it", async () => {
    using t = opened({ resolve });
    await t.vfs.write("a/b/c", chunks("on", "e"), { hasParents: true, isDurable: true });
    chmodSync(`${t.root}/a/b/c`, 0o751);
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("half");
      throw new AuroraError("failed", "the input broke");
    }
    expect(await codeOf(() => t.vfs.write("a/b/c", breaking()))).toBe("failed");
    expect(await codeOf(() => t.vfs.append("a/b/c", breaking()))).toBe("failed");
    expect(await t.vfs.readText("a/b/c")).toBe("one");
    await t.vfs.write("a/b/c", "two");
    expect(statSync(`${t.root}/a/b/c`).mode & 0o777).toBe(0o751);
    expect(readdirSync(`${t.root}/a/b`)).toEqual(["c"]);
  });

  test("a write stopped by a signal leaves the old content", async () => {
    using t = opened({ resolve });
    await t.vfs.write("a", "old");
    const stop = new AbortController();
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("new");
      stop.abort();
      await new Promise(() => {});
    }
    expect(await codeOf(() => t.vfs.write("a", slow(), {}, stop.signal))).toBe("interrupted");
    expect(await t.vfs.readText("a")).toBe("old");
    expect(readdirSync(t.root)).toEqual(["a"]);
  });

  test("through a link that stays inside, a write is atomic too and keeps the link", async () => {
    using t = opened({ resolve });
    await t.vfs.write("d/file", "old", { hasParents: true });
    await t.vfs.symlink("d/file", "link");
    const inode = statSync(`${t.root}/d/file`).ino;
    await t.vfs.write("link", "new");
    expect(readFileSync(`${t.root}/d/file`, "utf8")).toBe("new");
    expect(statSync(`${t.root}/d/file`).ino).not.toBe(inode);
    expect(lstatSync(`${t.root}/link`).isSymbolicLink()).toBe(true);
  });

  test("in place, the file stays the same one, and becomes shorter too", async () => {
    using t = opened({ resolve });
    await t.vfs.write("a", "a long text");
    const inode = statSync(`${t.root}/a`).ino;
    await t.vfs.write("a", "short", { isInPlace: true });
    expect(statSync(`${t.root}/a`).ino).toBe(inode);
    expect(await t.vfs.readText("a")).toBe("short");
  });

  test("links of a chain are followed as often as the kernel does, and no further", async () => {
    using t = opened({ resolve });
    await t.vfs.write("l0", "end");
    for (let i = 1; i <= MAX_LINKS + 1; i++) await t.vfs.symlink(`l${i - 1}`, `l${i}`);
    expect(await t.vfs.readText(`l${MAX_LINKS}`)).toBe("end");
    expect(await codeOf(() => t.vfs.readText(`l${MAX_LINKS + 1}`))).toBe("escape-refused");
  });

  test("a file with a name outside is not read or changed; a write makes it a file of its own", async () => {
    using t = opened({ resolve });
    writeFileSync(`${t.directory}/outside`, "outside");
    linkSync(`${t.directory}/outside`, `${t.root}/hard`);
    for (const work of [
      () => t.vfs.read("hard"),
      () => t.vfs.append("hard", "x"),
      () => t.vfs.write("hard", "x", { isInPlace: true }),
      () => t.vfs.setExecutable("hard", true),
      () => t.vfs.copy("hard", "copy"),
    ])
      expect(await codeOf(work)).toBe("escape-refused");
    await t.vfs.write("hard", "mine");
    expect(readFileSync(`${t.directory}/outside`, "utf8")).toBe("outside");
    linkSync(`${t.root}/hard`, `${t.root}/twin`);
    await t.vfs.append("twin", " too");
    expect(await t.vfs.readText("hard")).toBe("mine too");
  });

  test("names that are no UTF-8 are shown, copied and removed", async () => {
    using t = opened({ resolve });
    await t.vfs.makeDirectory("d");
    const raw = (name: Buffer) => Buffer.concat([Buffer.from(`${t.root}/d/`), name]);
    mkdirSync(raw(Buffer.from([0xff])));
    writeFileSync(raw(Buffer.from([0xff, 0x2f, 0xc3, 0x28])), "content");
    expect((await t.vfs.list("d")).map(({ name }) => printableName(name))).toEqual(["\\xff"]);
    await t.vfs.copy("d", "e", { isRecursive: true });
    const paths = Array.from(t.vfs.sync.walk("e"), ({ relative }) => printableName(relative));
    expect(paths).toEqual(["\\xff", "\\xff/\\xc3("]);
    expect(await codeOf(() => t.vfs.names("d/\udcff"))).toBe("invalid-path");
    for (const path of ["d", "e"]) await t.vfs.remove(path, true);
    expect(readdirSync(t.root)).toEqual([]);
  });

  test("a rename replaces a file, and nothing when it is told so", async () => {
    using t = opened({ resolve });
    for (const path of ["a", "b"]) await t.vfs.write(path, path);
    expect(await codeOf(() => t.vfs.rename("a", "b", { isNew: true }))).toBe("exists");
    await t.vfs.rename("a", "b", { isDurable: true });
    expect(await t.vfs.readText("b")).toBe("a");
    await t.vfs.makeDirectory("d/e", { hasParents: true });
    expect(await codeOf(() => t.vfs.rename("d", "d/e/f"))).toBe("invalid-path");
    await t.vfs.rename("d", "new/place", { hasParents: true, isNew: true });
    expect(await t.vfs.names("new/place")).toEqual(["e"]);
  });
});

test("odd names come back as they went in", async () => {
  using t = opened();
  const odd = [
    "foo..bar",
    "%2e%2e",
    "C:\\x",
    "a\nb",
    "\u001b[31m",
    "e\u0301",
    "\u00e9",
    "__proto__",
    "-rf",
    " ",
  ];
  for (const name of [...odd, "toString", "．．", "....", "$(id)", "~", "\u202eabc"]) {
    await t.vfs.write(`odd/${name}`, name, { hasParents: true });
    expect(await t.vfs.readText(`odd/${name}`)).toBe(name);
    expect(await t.vfs.names("odd")).toContain(name);
  }
});

test("names are escaped for people so that nothing is lost", () => {
  expect(
    ["plain é", "a\nb", "\u001b[2J", "\u202e", "\\x41", "\udcff\\x41", "tab\t", "😀"].map(printableName),
  ).toEqual(["plain é", "a\\u{a}b", "\\u{1b}[2J", "\\u{202e}", "\\\\x41", "\\xff\\\\x41", "tab\\u{9}", "😀"]);
  for (const bytes of [
    [0xff],
    [0xc3, 0xa9, 0xff],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x9f, 0x98],
    [0x61, 0xc0, 0xaf],
  ])
    expect([...Buffer.from(encodeName(decodeName(Buffer.from(bytes))))]).toEqual(bytes);
});

describe("trees", () => {
  test("a copy takes modes and links, and is there whole or not at all", async () => {
    using t = opened();
    await t.vfs.write("a/bin/run", "#!/bin/sh", { hasParents: true, mode: 0o750 });
    await t.vfs.symlink("bin/run", "a/link");
    expect(await t.vfs.copy("a", "b", { isRecursive: true })).toEqual({ bytes: 9, files: 2 });
    expect(await t.vfs.readLink("b/link")).toBe("bin/run");
    expect((await t.vfs.stat("b/bin/run")).mode).toBe(0o750);
    symlinkSync("../../../out", `${t.root}/a/bin/zz`);
    expect(await codeOf(() => t.vfs.copy("a", "c", { isRecursive: true }))).toBe("escape-refused");
    expect(await t.vfs.names("/")).not.toContain("c");
    expect(await codeOf(() => t.vfs.copy("a", "d"))).toBe("is-a-directory");
    expect(await codeOf(() => t.vfs.copy("a", "a/b", { isRecursive: true }))).toBe("invalid-path");
  });

  test("a tree copied into itself by way of a link ends", async () => {
    using t = opened();
    await t.vfs.write("a/f", "1", { hasParents: true });
    await t.vfs.symlink("a", "l");
    await t.vfs.copy("a", "l/again", { isRecursive: true });
    expect(Array.from(t.vfs.sync.walk("a"), ({ relative }) => relative)).toEqual(["again", "again/f", "f"]);
  });

  test("a glob is matched against the walk, so no pattern leads out", async () => {
    using t = opened();
    for (const path of ["a.txt", "d/b.txt", "d/e/c.md"]) await t.vfs.write(path, "x", { hasParents: true });
    writeFileSync(`${t.directory}/secret.txt`, "x");
    symlinkSync("..", `${t.root}/up`);
    expect(await t.vfs.glob("**/*.txt")).toEqual(["a.txt", "d/b.txt"]);
    expect(await t.vfs.glob("*.txt", "d")).toEqual(["b.txt"]);
    for (const pattern of ["../*", "/etc/host*", "up/*", "up/**"])
      expect(await t.vfs.glob(pattern)).toEqual([]);
  });

  test("too deep is an error and not a crash; what is as deep as allowed is removed", async () => {
    using t = opened();
    const deepest = Array.from({ length: MAX_DEPTH - 2 }, () => "n").join("/");
    await t.vfs.makeDirectory(`deep/${deepest}`, { hasParents: true });
    expect([...t.vfs.sync.walk("deep")]).toHaveLength(MAX_DEPTH - 2);
    await t.vfs.makeDirectory(`deep/${deepest}/n/n`, { hasParents: true });
    expect(await codeOf(() => [...t.vfs.sync.walk("/")])).toBe("too-large");
    expect(await codeOf(() => t.vfs.remove("deep", true))).toBe("too-large");
    await t.vfs.remove("deep/n/n/n", true);
    await t.vfs.remove("deep", true);
  });

  test("an archive is read by tar, with long names, links and modes", async () => {
    using t = opened();
    const long = `${"long-".repeat(30)}name`;
    await t.vfs.write(`d/${long}`, "x".repeat(1000), { hasParents: true });
    await t.vfs.write("run", "#!/bin/sh", { mode: 0o755 });
    await t.vfs.symlink(`d/${long}`, "link");
    writeFileSync(Buffer.concat([Buffer.from(`${t.root}/`), Buffer.from([0xff])]), "raw");
    Bun.spawnSync(["mkfifo", `${t.root}/fifo`]);
    const left: string[] = [];
    const archive = Buffer.concat(
      [...t.vfs.exportTar("/", (message) => left.push(message))].map((part) => Buffer.from(part)),
    );
    expect(left).toEqual(['left out "/fifo": it is neither a file, a directory nor a link']);
    expect(archive.length % 10_240).toBe(0);
    mkdirSync(`${t.directory}/out`);
    const tar = Bun.spawnSync(["tar", "-C", `${t.directory}/out`, "-xf", "-"], { stdin: archive });
    expect(tar.stderr.toString()).toBe("");
    const difference = Bun.spawnSync([
      "diff",
      "-r",
      "--no-dereference",
      "-x",
      "fifo",
      t.root,
      `${t.directory}/out`,
    ]);
    expect(difference.stdout.toString()).toBe("");
    expect(statSync(`${t.directory}/out/run`).mode & 0o777).toBe(0o755);
  });

  test("what is imported arrives, and what leads out of it does not", async () => {
    using t = opened();
    mkdirSync(`${t.directory}/in/sub`, { recursive: true });
    writeFileSync(`${t.directory}/in/sub/a`, "1");
    symlinkSync("sub/a", `${t.directory}/in/link`);
    expect(await t.vfs.importDirectory(`${t.directory}/in`, "/from/here", { hasParents: true })).toEqual({
      bytes: 1,
      files: 2,
    });
    expect(await t.vfs.readText("from/here/link")).toBe("1");
    symlinkSync("/etc/passwd", `${t.directory}/in/out`);
    expect(await codeOf(() => t.vfs.importDirectory(`${t.directory}/in`, "/again", {}))).toBe(
      "escape-refused",
    );
    expect(await codeOf(() => t.vfs.importDirectory(`${t.directory}/none`, "/again", {}))).toBe("not-found");
  });
});

describe("mounts", () => {
  function withMounts() {
    const directory = scratch();
    const place = (name: string) => `${directory.path}/${name}`;
    for (const name of ["root", "host-ro", "host-rw", "tree", "other/shared"])
      mkdirSync(place(name), { recursive: true });
    for (const name of ["host-ro/f", "tree/f", "other/private", "other/shared/f"])
      writeFileSync(place(name), name);
    const vfs = openVfs({
      root: place("root"),
      mounts: [
        { path: "/cache", kind: "memory", sizeBytes: 1000, entries: 5 },
        { path: "/pack", kind: "pack", directory: place("tree") },
        { path: "/m/ro", kind: "host", directory: place("host-ro"), mode: "ro" },
        { path: "/m/rw", kind: "host", directory: place("host-rw"), mode: "rw" },
        { path: "/m/rw/inner", kind: "memory", sizeBytes: 100 },
        { path: "/other", kind: "data", directory: place("other"), subPath: "/shared", mode: "rw" },
      ],
    });
    return {
      vfs,
      place,
      [Symbol.dispose]: () => {
        vfs[Symbol.dispose]();
        directory[Symbol.dispose]();
      },
    };
  }

  test("the longest path wins, whole names count, and mount points are listed", async () => {
    using t = withMounts();
    expect((await t.vfs.list("/")).map(({ name, type }) => `${name} ${type}`)).toEqual(
      ["cache", "m", "other", "pack"].map((name) => `${name} directory`),
    );
    expect((await t.vfs.list("/m")).map(({ name }) => name)).toEqual(["ro", "rw"]);
    await t.vfs.write("/m/rw/inner/f", "memory");
    expect(readdirSync(t.place("host-rw"))).toEqual([]);
    expect(await t.vfs.names("/m/rw")).toEqual(["inner"]);
    await t.vfs.write("/cachet", "on the disk");
    expect(readdirSync(t.place("root"))).toEqual(["cachet"]);
    expect(await t.vfs.readText("/other/f")).toBe("other/shared/f");
    expect(t.vfs.mounts().map(({ path, kind, mode }) => `${path} ${kind} ${mode}`)).toEqual([
      "/ data rw",
      "/cache memory rw",
      "/m/ro host ro",
      "/m/rw host rw",
      "/m/rw/inner memory rw",
      "/other data rw",
      "/pack pack ro",
    ]);
  });

  test("no way from one to another, or above", async () => {
    using t = withMounts();
    expect(await t.vfs.readText("/other/../pack/f")).toBe("tree/f");
    for (const path of ["/other/../../x", "/pack/../../x"])
      expect(await codeOf(() => t.vfs.readText(path))).toBe("escape-refused");
    symlinkSync("../private", t.place("other/shared/up"));
    symlinkSync("../host-ro/f", t.place("tree/up"));
    for (const path of ["/other/up", "/pack/up"])
      expect(await codeOf(() => t.vfs.readText(path))).toBe("escape-refused");
    await t.vfs.symlink("cache/f", "link");
    await t.vfs.write("/cache/f", "1");
    expect(await codeOf(() => t.vfs.readText("link"))).toBe("not-found");
    expect(await codeOf(() => t.vfs.symlink("../f", "/cache/up"))).toBe("escape-refused");
  });

  test.each(["/pack", "/m/ro"])("%s is read-only for every operation", async (at) => {
    using t = withMounts();
    const before = readdirSync(t.place("tree")).concat(readdirSync(t.place("host-ro")));
    await t.vfs.write("mine", "1");
    const works = [
      () => t.vfs.write(`${at}/f`, "x"),
      () => t.vfs.write(`${at}/f`, "x", { isInPlace: true }),
      () => t.vfs.write(`${at}/new`, chunks("x")),
      () => t.vfs.create(`${at}/new`, "x"),
      () => t.vfs.append(`${at}/f`, "x"),
      () => t.vfs.makeDirectory(`${at}/d`),
      () => t.vfs.makeDirectory(`${at}/d/e`, { hasParents: true }),
      () => t.vfs.remove(`${at}/f`),
      () => t.vfs.remove(`${at}/f`, true),
      () => t.vfs.rename(`${at}/f`, "moved"),
      () => t.vfs.rename("mine", `${at}/f`),
      () => t.vfs.rename(`${at}/f`, `${at}/g`),
      () => t.vfs.copy("mine", `${at}/f`),
      () => t.vfs.symlink("f", `${at}/link`),
      () => t.vfs.setExecutable(`${at}/f`, true),
      () => t.vfs.importDirectory(t.place("other"), `${at}/in`),
    ];
    expect(await Promise.all(works.map(codeOf))).toEqual(works.map(() => "read-only"));
    expect(readdirSync(t.place("tree")).concat(readdirSync(t.place("host-ro")))).toEqual(before);
    expect(await t.vfs.readText(`${at}/f`)).toMatch(/f$/);
  });

  test("a mount point and what holds one stay", async () => {
    using t = withMounts();
    for (const path of ["/cache", "/m", "/m/rw", "/m/ro/"]) {
      expect(await codeOf(() => t.vfs.remove(path, true))).toBe("conflict");
      expect(await codeOf(() => t.vfs.rename(path, "/moved"))).toBe("conflict");
      expect(await codeOf(() => t.vfs.makeDirectory(path))).toBe("exists");
      expect(await codeOf(() => t.vfs.write(path, "x"))).toBe(
        path === "/m/ro/" ? "read-only" : "is-a-directory",
      );
      await t.vfs.makeDirectory(path, { hasParents: true });
    }
    expect(readdirSync(t.place("root"))).toEqual([]);
  });

  test("from one to another, a move is a copy and a removal", async () => {
    using t = withMounts();
    await t.vfs.write("/d/sub/f", "text", { hasParents: true });
    await t.vfs.rename("/d", "/cache/d");
    expect(await t.vfs.readText("/cache/d/sub/f")).toBe("text");
    expect(readdirSync(t.place("root"))).toEqual([]);
    await t.vfs.rename("/cache/d/sub/f", "/m/rw/f");
    expect(readFileSync(t.place("host-rw/f"), "utf8")).toBe("text");
    await t.vfs.write("/big", "x".repeat(2000));
    expect(await codeOf(() => t.vfs.rename("/big", "/cache/big"))).toBe("quota-exceeded");
    expect(await t.vfs.names("/")).toContain("big");
    expect(await t.vfs.names("/cache")).toEqual(["d"]);
  });

  test("memory holds so many bytes and entries, and what was there stays", async () => {
    using t = withMounts();
    await t.vfs.write("/cache/a", "x".repeat(900));
    expect(await codeOf(() => t.vfs.write("/cache/b", "x".repeat(101)))).toBe("quota-exceeded");
    expect(await codeOf(() => t.vfs.append("/cache/a", "x".repeat(101)))).toBe("quota-exceeded");
    expect(await codeOf(() => t.vfs.write("/cache/b", chunks("x".repeat(600), "x".repeat(600))))).toBe(
      "quota-exceeded",
    );
    await t.vfs.write("/cache/a", "x".repeat(1000));
    for (const name of ["b", "c"]) await t.vfs.makeDirectory(`/cache/${name}/${name}`, { hasParents: true });
    expect(await codeOf(() => t.vfs.makeDirectory("/cache/one-more"))).toBe("quota-exceeded");
    const cache = t.vfs.mounts()[1];
    expect(cache?.space().usage).toEqual({ bytes: 1000, files: 1, entries: 5 });
    await t.vfs.remove("/cache/b", true);
    await t.vfs.remove("/cache/a");
    expect(cache?.space().usage).toEqual({ bytes: 0, files: 0, entries: 2 });
  });

  test("the table is a function of its list", () => {
    const memory = (path: string): MountSpec => ({ path, kind: "memory", sizeBytes: 1 });
    expect(mountTable([memory("/a"), memory("/a/b/c"), memory("b")]).map(({ at }) => at.shown)).toEqual([
      "/a/b/c",
      "/a",
      "/b",
    ]);
    const code = (...paths: string[]) => codeOf(() => mountTable(paths.map(memory)));
    return Promise.all([
      expect(code("/")).resolves.toBe("invalid-path"),
      expect(code("a", "/a/")).resolves.toBe("invalid-path"),
      expect(code("../a")).resolves.toBe("escape-refused"),
      expect(code(...Array.from({ length: MAX_MOUNTS + 1 }, (_, i) => `m${i}`))).resolves.toBe("too-large"),
    ]);
  });

  test("one that cannot be opened says so without the machine's path, at run time too", async () => {
    using t = withMounts();
    const message = await messageOf(() =>
      t.vfs.mount({ path: "/x", kind: "host", directory: "/no/such", mode: "ro" }),
    );
    expect(message).toBe('not-found: cannot mount "/x": its directory is not there');
    t.vfs.mount({ path: "/x", kind: "memory", sizeBytes: 10 });
    await t.vfs.write("/x/f", "1");
    expect(await codeOf(() => t.vfs.mount({ path: "x", kind: "memory", sizeBytes: 10 }))).toBe(
      "invalid-path",
    );
    expect(await t.vfs.readText("/x/f")).toBe("1");
  });

  test.skipIf(!existsSync("/dev/shm"))("a directory in memory must be one's own", () => {
    const name = `aurora-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
    const uid = process.geteuid?.() ?? 0;
    try {
      expect(tmpfsDirectory("/dev/shm", uid, [name, "key"], false)).toBeUndefined();
      const path = tmpfsDirectory("/dev/shm", uid, [name, "key"], true);
      expect(path).toBe(`/dev/shm/${name}/key`);
      expect(statSync(path as string).mode & 0o777).toBe(0o700);
      expect(tmpfsDirectory("/dev/shm", uid + 1, [name, "key"], true)).toBeUndefined();
      chmodSync(`/dev/shm/${name}`, 0o755);
      expect(tmpfsDirectory("/dev/shm", uid, [name, "key"], true)).toBeUndefined();
      expect(tmpfsDirectory("/proc", uid, [name], true)).toBeUndefined();
    } finally {
      Bun.spawnSync(["rm", "-r", `/dev/shm/${name}`]);
    }
  });
});

describe("limits", () => {
  test("a quota on a disk counts bytes and entries, and what is removed is free again", async () => {
    using t = opened({ quota: { bytes: 1000, entries: 4 } });
    await t.vfs.write("a", "x".repeat(600));
    expect(await codeOf(() => t.vfs.write("b", "x".repeat(401)))).toBe("quota-exceeded");
    expect(await codeOf(() => t.vfs.write("b", chunks("x".repeat(300), "x".repeat(300))))).toBe(
      "quota-exceeded",
    );
    expect(await codeOf(() => t.vfs.append("a", "x".repeat(401)))).toBe("quota-exceeded");
    expect(await codeOf(() => t.vfs.write("a", "x".repeat(1001), { isInPlace: true }))).toBe(
      "quota-exceeded",
    );
    expect(await codeOf(() => t.vfs.copy("a", "b"))).toBe("quota-exceeded");
    expect(await t.vfs.names("/")).toEqual(["a"]);
    await t.vfs.write("a", "x".repeat(1000));
    await t.vfs.remove("a");
    await t.vfs.write("b", "x".repeat(1000));
    await t.vfs.makeDirectory("d/e", { hasParents: true });
    await t.vfs.symlink("b", "link");
    expect(await codeOf(() => t.vfs.write("one-more", ""))).toBe("quota-exceeded");
    expect(await codeOf(() => t.vfs.makeDirectory("f"))).toBe("quota-exceeded");
    expect(await codeOf(() => t.vfs.symlink("b", "another"))).toBe("quota-exceeded");
  });

  test("what others write is counted too", async () => {
    const clock = { now: 0 };
    const directory = scratch();
    using _directory = directory;
    using vfs = openVfs({ root: directory.path, quota: { bytes: 100 }, now: () => clock.now });
    await vfs.write("a", "x");
    writeFileSync(`${directory.path}/theirs`, "x".repeat(99));
    clock.now += MAX_COUNT_AGE_MS + 1;
    expect(await codeOf(() => vfs.write("b", "x"))).toBe("quota-exceeded");
  });

  test("read takes so much at once and no more", async () => {
    using t = opened();
    await t.vfs.write("a", "12345");
    expect(await codeOf(() => t.vfs.read("a", 4))).toBe("too-large");
    expect((await t.vfs.read("a", 5)).length).toBe(5);
    t.vfs.mount({ path: "/proc", kind: "host", directory: "/proc/self", mode: "ro" });
    expect((await t.vfs.read("/proc/cmdline")).length).toBeGreaterThan(3);
    expect(await codeOf(() => t.vfs.read("/proc/cmdline", 3))).toBe("too-large");
    for (const path of ["/proc/exe", "/proc/cwd", "/proc/root/etc/passwd", "/proc/fd/0"])
      expect(await codeOf(() => t.vfs.read(path))).toBe("escape-refused");
  });

  test("what a crash left is hidden, does not keep a directory, and goes when nobody writes it", async () => {
    using t = opened();
    await t.vfs.write("d/f", "1", { hasParents: true });
    const left = `${t.root}/d/${TEMPORARY_PREFIX}1.x`;
    writeFileSync(left, "half");
    expect(await t.vfs.names("d")).toEqual(["f"]);
    expect(await codeOf(() => t.vfs.write(`d/${TEMPORARY_PREFIX}mine`, "x"))).toBe("invalid-path");
    await t.vfs.remove("d/f");
    expect(await codeOf(() => t.vfs.remove("d"))).toBe("not-empty");
    const old = (Date.now() - ABANDONED_AFTER_MS) / 1000 - 1;
    utimesSync(left, old, old);
    const writer = openSync(left, "r");
    tryFlock(writer, "shared");
    expect(await codeOf(() => t.vfs.remove("d"))).toBe("not-empty");
    closeSync(writer);
    await t.vfs.remove("d");
    expect(readdirSync(t.root)).toEqual([]);
  });
});

describe("many at once", () => {
  const script = `
    const { openVfs } = await import(process.argv.at(-4));
    const [root, kind, id] = process.argv.slice(-3);
    const vfs = openVfs({ root });
    for (let i = 0; i < 40; i++)
      if (kind === "write") await vfs.write("same", id.repeat(50_000));
      else await vfs.append("journal", (async function* () { for (const part of [id, "-".repeat(3000), i + "\\n"]) yield Buffer.from(part); })());
  `;
  const module = join(import.meta.dir, "../../src/vfs/vfs.ts");
  const run = (root: string, kind: string, id: string) =>
    Bun.spawn([process.execPath, "-e", script, module, root, kind, id], { stderr: "inherit" }).exited;

  test("eight processes write one file: it is always one of them, never a mix", async () => {
    using t = opened();
    const ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
    const ends = Promise.all(ids.map((id) => run(t.root, "write", id)));
    const seen = new Set<string>();
    for (;;) {
      if ((await codeOf(() => t.vfs.readText("same"))) === "ok") {
        const text = await t.vfs.readText("same");
        seen.add(`${text.length} ${[...new Set(text)].join("")}`);
      }
      if (await Promise.race([ends, Bun.sleep(1)])) break;
    }
    expect(await ends).toEqual(ids.map(() => 0));
    expect([...seen].filter((each) => !/^50000 [a-h]$/.test(each))).toEqual([]);
    expect(seen.size).toBeGreaterThan(0);
    expect(readdirSync(t.root)).toEqual(["same"]);
  });

  test("eight processes append, each record in three pieces: all are there and whole", async () => {
    using t = opened();
    const ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
    expect(await Promise.all(ids.map((id) => run(t.root, "append", id)))).toEqual(ids.map(() => 0));
    const lines = readFileSync(`${t.root}/journal`, "utf8").trimEnd().split("\n");
    const expected = ids.flatMap((id) =>
      Array.from({ length: 40 }, (_, i) => `${id}${"-".repeat(3000)}${i}`),
    );
    expect(lines.toSorted()).toEqual(expected.toSorted());
  });

  test("a lock is exclusive, and waits no longer than it is told", async () => {
    using t = opened();
    await t.vfs.write("a", "1");
    {
      using _held = await t.vfs.lock("a");
      expect(await codeOf(() => t.vfs.lock("a", "exclusive", 0))).toBe("locked");
      expect(await codeOf(() => t.vfs.append("a", "x", { waitMs: 0 }))).toBe("locked");
    }
    using _shared = await t.vfs.lock("a", "shared", 0);
    using _other = await t.vfs.lock("a", "shared", 0);
    t.vfs.mount({ path: "/m", kind: "memory", sizeBytes: 10 });
    await t.vfs.write("/m/a", "1");
    expect(await codeOf(() => t.vfs.lock("/m/a"))).toBe("not-supported");
  });

  test("changes are seen as they happen", async () => {
    using t = opened();
    await t.vfs.makeDirectory("d");
    const stop = new AbortController();
    const names: (string | null)[] = [];
    const watching = (async () => {
      for await (const { name } of t.vfs.watch("d", stop.signal)) {
        names.push(name);
        if (names.includes("f")) stop.abort();
      }
    })();
    // The first step of the generator has set up the watch by now.
    await t.vfs.write("d/f", "1");
    await watching;
    expect(new Set(names)).toEqual(new Set(["f"]));
  });
});

async function messageOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return "ok";
  } catch (thrown) {
    const { code, message } = thrown as AuroraError;
    return `${code}: ${message}`;
  }
}
