/** Staging: what lands in the store, what is left when it fails, and what comes out of the store again. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";

import { AuroraError } from "../../src/errors.ts";
import { MAX_SINGLE_SYNCS } from "../../src/store/copy-sink.ts";
import { copyTreeWritable } from "../../src/store/copy-tree.ts";
import { diffTrees } from "../../src/store/diff-trees.ts";
import { putTree } from "../../src/store/put-tree.ts";
import { removeStoredTree } from "../../src/store/remove-tree.ts";
import { scanTree } from "../../src/store/scan-tree.ts";
import { sweepStore } from "../../src/store/sweep-store.ts";
import { hasTree, listTrees, readTreeRecord } from "../../src/store/tree-record.ts";
import { MAX_PROBLEMS, verifyTree, verifyTreeFast } from "../../src/store/verify-tree.ts";
import { createStore, put, type Store, tarDigest } from "./fixture.ts";

/** A pack with one of everything. */
function fill(pack: string): void {
  mkdirSync(`${pack}/bin/empty`, { recursive: true });
  writeFileSync(`${pack}/bin/run`, "#!/bin/sh\n");
  chmodSync(`${pack}/bin/run`, 0o755);
  writeFileSync(`${pack}/doc`, "text");
  writeFileSync(`${pack}/large`, Buffer.alloc(2_500_000, "l"));
  symlinkSync("bin/run", `${pack}/start`);
  symlinkSync("logs/today", `${pack}/today`);
}

/** Everything below a directory: name, mode, and content or target. */
function picture(directory: string): string[] {
  return readdirSync(directory, { recursive: true })
    .map(String)
    .toSorted()
    .map((name) => {
      const path = `${directory}/${name}`;
      const stat = lstatSync(path);
      const mode = (stat.mode & 0o7777).toString(8);
      if (stat.isSymbolicLink()) return `${name} -> ${readlinkSync(path)}`;
      return stat.isDirectory() ? `${name}/ ${mode}` : `${name} ${mode} ${Bun.hash(readFileSync(path))}`;
    });
}

const namesIn = (directory: string) => readdirSync(directory).toSorted();

describe("putTree", () => {
  test("stores the tree read-only, by the digest of the source, with links and a record", async () => {
    using store = createStore();
    fill(store.pack);
    const scanned = await scanTree(store.pack);
    const staged = await put(store);
    expect(staged).toEqual({
      digest: tarDigest(store.pack) as string,
      files: 3,
      bytes: 2_500_014,
      reused: false,
    });
    const tree = store.paths.tree(staged.digest);
    expect(picture(tree).map((line) => line.replace(/ \d{5,}$/, ""))).toEqual([
      "bin/ 555",
      "bin/empty/ 555",
      "bin/run 555",
      "data -> ../../data/demo",
      "doc 444",
      "large 444",
      "logs -> ../../logs/demo",
      "start -> bin/run",
      "today -> logs/today",
    ]);
    expect((lstatSync(tree).mode & 0o7777).toString(8)).toBe("555");
    expect(tarDigest(tree, "./logs", "./data")).toBe(staged.digest);
    const record = readTreeRecord(store.paths, staged.digest);
    expect(record).toMatchObject({
      digest: staged.digest,
      pack_id: "demo",
      manifest: { pack: { id: "demo" } },
      files: 3,
      bytes: 2_500_014,
      links: ["logs", "data"],
    });
    expect(record.entries).toMatchObject(scanned.entries);
    expect(namesIn(store.paths.tmp)).toEqual([]);
    expect(listTrees(store.paths)).toEqual([staged.digest]);
  });

  test("does not depend on the umask", async () => {
    using store = createStore();
    fill(store.pack);
    const before = process.umask(0o77);
    try {
      const { digest } = await put(store);
      expect(tarDigest(store.paths.tree(digest), "./logs", "./data")).toBe(digest);
      expect((lstatSync(`${store.paths.tree(digest)}/bin/run`).mode & 0o777).toString(8)).toBe("555");
    } finally {
      process.umask(before);
    }
  });

  test("adds no link where the pack ships that name", async () => {
    using store = createStore();
    mkdirSync(`${store.pack}/logs`);
    writeFileSync(`${store.pack}/data`, "");
    const { digest } = await put(store);
    expect(readTreeRecord(store.paths, digest).links).toEqual([]);
    expect(tarDigest(store.paths.tree(digest))).toBe(digest);
  });

  test("describes a copy that holds exactly what is stored", async () => {
    using store = createStore();
    fill(store.pack);
    writeFileSync(`${store.pack}/.auroraignore`, "doc\n");
    let seen: string[] = [];
    await putTree(store.paths, store.pack, (copy, tree) => {
      seen = picture(copy);
      expect(tree.digest).toBe(tarDigest(copy) as string);
      rmSync(`${store.pack}/bin/run`);
      return { pack_id: "demo", manifest: {} };
    });
    expect(seen.join("\n")).toContain("bin/run 555");
    expect(seen.join("\n")).not.toContain("doc");
  });

  test("leaves nothing where describe throws", async () => {
    using store = createStore();
    fill(store.pack);
    const work = putTree(store.paths, store.pack, () => {
      throw new AuroraError("manifest-invalid", "no");
    });
    await expect(work).rejects.toThrow("no");
    expect([...namesIn(store.paths.store), ...namesIn(store.paths.tmp)]).toEqual([]);
  });

  test("leaves nothing where the signal aborts in the middle", async () => {
    using store = createStore();
    for (let i = 0; i < 40; i++) writeFileSync(`${store.pack}/${i}`, Buffer.alloc(1024 ** 2, i));
    const controller = new AbortController();
    const work = putTree(store.paths, store.pack, () => ({ pack_id: "demo", manifest: {} }), {
      signal: controller.signal,
      onProgress: (done, total) => done < total && controller.abort("SIGINT"),
    });
    // A machine so fast that it needs no pause would stage the pack: then there is nothing to look at.
    const code = await work.then(
      () => "staged",
      (thrown: AuroraError) => thrown.code,
    );
    expect(code).toBe("interrupted");
    expect([...namesIn(store.paths.store), ...namesIn(store.paths.tmp)]).toEqual([]);
  });

  test("reports progress up to the end", async () => {
    using store = createStore();
    fill(store.pack);
    const seen: [number, number][] = [];
    await putTree(store.paths, store.pack, () => ({ pack_id: "demo", manifest: {} }), {
      onProgress: (done, total) => seen.push([done, total]),
    });
    expect(seen.at(-1)).toEqual([2_500_014, 2_500_014]);
  });

  test("copies nothing where the tree is there: the stored one is described", async () => {
    using store = createStore();
    fill(store.pack);
    const { digest } = await put(store);
    const seen: string[] = [];
    await putTree(store.paths, store.pack, (copy) => {
      seen.push(copy, ...namesIn(`${store.paths.tmp}/${namesIn(store.paths.tmp)[0]}`));
      return { pack_id: "demo", manifest: {} };
    });
    expect(seen).toEqual([store.paths.tree(digest)]);
  });

  test("a pack of the same size but other content is another tree", async () => {
    using store = createStore();
    fill(store.pack);
    await put(store);
    writeFileSync(`${store.pack}/doc`, "TEXT");
    const second = await put(store);
    expect(second).toMatchObject({ digest: tarDigest(store.pack) as string, reused: false });
    expect(await verifyTree(store.paths, second.digest, { full: true })).toEqual({ ok: true, problems: [] });
    expect(listTrees(store.paths)).toHaveLength(2);
  });

  test("reuses a tree that is there and whole", async () => {
    using store = createStore();
    fill(store.pack);
    const first = await put(store);
    const before = picture(store.paths.store);
    const inode = lstatSync(store.paths.tree(first.digest)).ino;
    expect(await put(store)).toEqual({ ...first, reused: true });
    expect(picture(store.paths.store)).toEqual(before);
    expect(lstatSync(store.paths.tree(first.digest)).ino).toBe(inode);
    expect(namesIn(store.paths.tmp)).toEqual([]);
  });

  test.each<[string, (tree: string) => void]>([
    ["a changed file", (tree) => edit(`${tree}/doc`, "TEXT")],
    ["no record", (tree) => rmSync(`${tree}.json`)],
    ["a damaged record", (tree) => edit(`${tree}.entries.json`, "{}")],
    [
      "a file in the tree's place",
      (tree) => {
        writable(tree);
        rmSync(tree, { recursive: true });
        writeFileSync(tree, "");
      },
    ],
    [
      "an empty directory in the tree's place",
      (tree) => {
        writable(tree);
        rmSync(tree, { recursive: true });
        mkdirSync(tree);
      },
    ],
    [
      "no tree",
      (tree) => {
        writable(tree);
        rmSync(tree, { recursive: true });
      },
    ],
  ])("replaces a tree with %s", async (_name, damage) => {
    using store = createStore();
    fill(store.pack);
    const { digest } = await put(store);
    damage(store.paths.tree(digest));
    expect(await put(store)).toMatchObject({ digest, reused: false });
    expect(await verifyTree(store.paths, digest, { full: true })).toEqual({ ok: true, problems: [] });
    expect(namesIn(store.paths.tmp)).toEqual([]);
  });

  test("two at once store one tree", async () => {
    using store = createStore();
    for (let i = 0; i < 30; i++) writeFileSync(`${store.pack}/${i}`, Buffer.alloc(1024 ** 2, i));
    const all = await Promise.all([put(store), put(store), put(store)]);
    expect(new Set(all.map(({ digest }) => digest)).size).toBe(1);
    expect(await verifyTree(store.paths, all[0].digest, { full: true })).toEqual({ ok: true, problems: [] });
    expect(namesIn(store.paths.tmp)).toEqual([]);
  });

  test.each([MAX_SINGLE_SYNCS, MAX_SINGLE_SYNCS + 1])(
    "flushes %i entries in the way that is cheaper",
    async (count) => {
      using store = createStore();
      for (let i = 0; i < count; i++) writeFileSync(`${store.pack}/${i}`, "x");
      const script = `import { putTree } from ${JSON.stringify(`${import.meta.dir}/../../src/store/put-tree.ts`)};
      import { homePaths } from ${JSON.stringify(`${import.meta.dir}/../../src/system/home.ts`)};
      await putTree(homePaths(${JSON.stringify(store.paths.home)}), ${JSON.stringify(store.pack)}, () => ({ pack_id: "demo", manifest: {} }));`;
      const trace = `${store.path}/trace`;
      const traced = Bun.which("strace")
        ? Bun.spawnSync([
            "strace",
            "-f",
            "-o",
            trace,
            "-e",
            "trace=fsync,syncfs,rename,renameat2",
            process.execPath,
            "-e",
            script,
          ])
        : undefined;
      if (traced === undefined || traced.exitCode !== 0) return; // Without strace, or the right to trace, nothing can be counted.
      const calls = readFileSync(trace, "utf8");
      expect(calls.match(/syncfs\(/g)?.length ?? 0).toBe(count > MAX_SINGLE_SYNCS ? 1 : 0);
      const syncs = calls.match(/fsync\(/g)?.length ?? 0;
      if (count > MAX_SINGLE_SYNCS) expect(syncs).toBeLessThan(10);
      else expect(syncs).toBeGreaterThan(count);
      // Nothing has its name in the store before it is durable.
      expect(calls.search(/rename\(/)).toBeGreaterThan(
        calls.search(count > MAX_SINGLE_SYNCS ? /syncfs\(/ : /fsync\(/),
      );
    },
  );
});

/** As somebody would who does not care that the tree is read-only. */
function edit(path: string, content: string): void {
  chmodSync(path, 0o644);
  writeFileSync(path, content);
  chmodSync(path, 0o444);
}

function writable(tree: string): void {
  Bun.spawnSync(["chmod", "-R", "u+rwX", tree]);
}

describe("verifyTree", () => {
  type Damage = (tree: string) => void;
  const inside =
    (change: Damage): Damage =>
    (tree) => {
      chmodSync(tree, 0o755);
      change(tree);
      chmodSync(tree, 0o555);
    };
  test.each<[string, Damage, string[]]>([
    ["nothing", () => {}, []],
    ["other content of the same size", (t) => edit(`${t}/doc`, "TEXT"), ['"doc" has other content']],
    ["the same content, written again", (t) => edit(`${t}/doc`, "text"), []],
    ["another time", (t) => utimesSync(`${t}/doc`, 1, 1), []],
    ["another size", (t) => edit(`${t}/doc`, "longer"), ['"doc" has another size']],
    ["another mode", (t) => chmodSync(`${t}/doc`, 0o644), ['"doc" has other permissions']],
    ["a writable directory", (t) => chmodSync(`${t}/bin`, 0o755), ['"bin" has other permissions']],
    ["a writable top", (t) => chmodSync(t, 0o755), ['"." has other permissions']],
    ["a missing file", inside((t) => rmSync(`${t}/doc`)), ['"doc" is missing']],
    ["an added file", inside((t) => writeFileSync(`${t}/new`, "")), ['"new" does not belong to the tree']],
    [
      "an added fifo",
      inside((t) => void Bun.spawnSync(["mkfifo", `${t}/new`])),
      ['"new" does not belong to the tree'],
    ],
    ["an added .git", inside((t) => writeFileSync(`${t}/.git`, "")), ['".git" does not belong to the tree']],
    [
      "another symlink",
      inside((t) => {
        rmSync(`${t}/start`);
        symlinkSync("doc", `${t}/start`);
      }),
      ['"start" is not the symlink that was stored'],
    ],
    [
      "a file instead of a symlink",
      inside((t) => {
        rmSync(`${t}/start`);
        writeFileSync(`${t}/start`, "");
      }),
      ['"start" is not the symlink that was stored'],
    ],
    [
      "a symlink instead of a file",
      inside((t) => {
        rmSync(`${t}/doc`);
        symlinkSync("bin/run", `${t}/doc`);
      }),
      ['"doc" is no regular file'],
    ],
    [
      "a symlink instead of a directory",
      inside((t) => {
        chmodSync(`${t}/bin`, 0o755);
        renameSync(`${t}/bin`, `${t}/../../tmp/bin`);
        symlinkSync("../../tmp/bin", `${t}/bin`);
      }),
      ['"bin" is no directory', '"bin/empty" is missing', '"bin/run" is missing'],
    ],
    [
      "logs that point elsewhere",
      inside((t) => {
        rmSync(`${t}/logs`);
        symlinkSync("../../logs/other", `${t}/logs`);
      }),
      ['"logs" is not the link that the store made'],
    ],
    [
      "a directory for logs",
      inside((t) => {
        rmSync(`${t}/logs`);
        mkdirSync(`${t}/logs`);
      }),
      ['"logs" is not the link that the store made'],
    ],
    ["no link to the data", inside((t) => rmSync(`${t}/data`)), ['"data" is missing']],
    [
      "a hard link elsewhere",
      (t) => void Bun.spawnSync(["ln", `${t}/doc`, `${t}/../../tmp/doc`]),
      ['"doc" has another hard link'],
    ],
  ])("finds %s", async (_name, damage, problems) => {
    using store = createStore();
    fill(store.pack);
    const { digest } = await put(store);
    damage(store.paths.tree(digest));
    const expected = { ok: problems.length === 0, problems };
    expect(verifyTreeFast(store.paths, digest)).toEqual(expected);
    expect(await verifyTree(store.paths, digest, { full: false })).toEqual(expected);
    expect(await verifyTree(store.paths, digest, { full: true })).toEqual(expected);
  });

  test("full finds content that changed while inode and time did not; fast does not read", async () => {
    using store = createStore();
    fill(store.pack);
    const { digest } = await put(store);
    const path = `${store.paths.tree(digest)}/doc`;
    // What a failing disk does: the record says that inode and time are right.
    edit(path, "TEXT");
    const { mtimeNs, ino } = lstatSync(path, { bigint: true });
    const record = readTreeRecord(store.paths, digest);
    const entries = record.entries.map((entry) =>
      entry.path === "doc" ? { ...entry, mtime_ns: String(mtimeNs), inode: String(ino) } : entry,
    );
    writeRecord(store, digest, entries);
    expect(verifyTreeFast(store.paths, digest).ok).toBe(true);
    expect(await verifyTree(store.paths, digest, { full: true })).toEqual({
      ok: false,
      problems: ['"doc" has other content'],
    });
  });

  test("full computes the digest anew: a record that was forged with the tree is found", async () => {
    using store = createStore();
    fill(store.pack);
    const { digest } = await put(store);
    edit(`${store.paths.tree(digest)}/doc`, "TEXT");
    const sha256 = Bun.CryptoHasher.hash("sha256", "TEXT", "hex");
    const { entries } = readTreeRecord(store.paths, digest);
    writeRecord(
      store,
      digest,
      entries.map((entry) => (entry.path === "doc" ? { ...entry, sha256 } : entry)),
    );
    expect(verifyTreeFast(store.paths, digest).ok).toBe(true);
    const { ok, problems } = await verifyTree(store.paths, digest, { full: true });
    expect({ ok, problems }).toEqual({
      ok: false,
      problems: [`the tree's digest is ${tarDigest(store.paths.tree(digest), "./logs", "./data")}`],
    });
  });

  test("a home that was copied elsewhere is whole", async () => {
    using store = createStore();
    fill(store.pack);
    const { digest } = await put(store);
    const moved = {
      ...store,
      paths: (await import("../../src/system/home.ts")).homePaths(`${store.path}/moved`),
    };
    Bun.spawnSync(["cp", "-R", "-P", store.paths.home, moved.paths.home]);
    Bun.spawnSync(["cp", "-a", `${store.paths.tree(digest)}/.`, moved.paths.tree(digest)]);
    expect(verifyTreeFast(moved.paths, digest)).toEqual({ ok: true, problems: [] });
  });

  test("what is not there is a problem, and a damaged record too", async () => {
    using store = createStore();
    const missing = `sha256:${"0".repeat(64)}`;
    expect(verifyTreeFast(store.paths, missing).problems).toEqual([
      `cannot find the tree ${missing} in the store`,
    ]);
    const { digest } = await put(store);
    const summary = `${store.paths.tree(digest)}.json`;
    writeFileSync(summary, readFileSync(summary, "utf8").replace("demo", "dem0"));
    expect(verifyTreeFast(store.paths, digest).problems).toEqual([`cannot read "${summary}": it is damaged`]);
    expect(() => readTreeRecord(store.paths, digest)).toThrow("it is damaged");
  });

  test("a record of another tree is damaged", async () => {
    using store = createStore();
    const first = (await put(store)).digest;
    writeFileSync(`${store.pack}/f`, "");
    const second = (await put(store)).digest;
    writeFileSync(`${store.paths.tree(first)}.json`, readFileSync(`${store.paths.tree(second)}.json`));
    expect(() => readTreeRecord(store.paths, first)).toThrow("it is damaged");
  });

  test("many problems are cut off", async () => {
    using store = createStore();
    for (let i = 0; i < MAX_PROBLEMS + 5; i++) writeFileSync(`${store.pack}/${i}`, "x");
    const { digest } = await put(store);
    for (let i = 0; i < MAX_PROBLEMS + 5; i++) chmodSync(`${store.paths.tree(digest)}/${i}`, 0o600);
    const { problems } = verifyTreeFast(store.paths, digest);
    expect(problems).toHaveLength(MAX_PROBLEMS + 1);
    expect(problems.at(-1)).toBe("and 5 more");
  });
});

function writeRecord(store: Store, digest: string, entries: unknown): void {
  const body = JSON.stringify(entries);
  const sum = Bun.CryptoHasher.hash("sha256", body, "hex");
  writeFileSync(`${store.paths.tree(digest)}.entries.json`, `{"sha256":"${sum}","record":${body}}\n`);
}

describe("removeStoredTree and sweepStore", () => {
  test("frees the bytes and leaves nothing", async () => {
    using store = createStore();
    fill(store.pack);
    const { digest, bytes } = await put(store);
    expect(removeStoredTree(store.paths, digest)).toBe(bytes);
    expect(hasTree(store.paths, digest)).toBe(false);
    expect([...namesIn(store.paths.store), ...namesIn(store.paths.tmp)]).toEqual([]);
    expect(removeStoredTree(store.paths, digest)).toBe(0);
  });

  test("whatever a crash left of a tree is no tree and is swept; whole trees stay", async () => {
    using store = createStore();
    const whole = (await put(store)).digest;
    const digests: string[] = [];
    for (const left of ["tree", ".json", ".entries.json"]) {
      writeFileSync(`${store.pack}/f`, left);
      const { digest } = await put(store);
      digests.push(digest);
      const tree = store.paths.tree(digest);
      for (const part of ["tree", ".json", ".entries.json"]) {
        if (part === left) continue;
        writable(tree);
        rmSync(part === "tree" ? tree : `${tree}${part}`, { recursive: true });
      }
    }
    writeFileSync(`${store.paths.store}/README`, "not ours");
    expect(listTrees(store.paths)).toEqual([whole]);
    expect(sweepStore(store.paths)).toEqual(digests.toSorted());
    expect(listTrees(store.paths)).toEqual([whole]);
    expect(existsSync(`${store.paths.store}/README`)).toBe(true);
    expect(namesIn(store.paths.store)).toHaveLength(4);
    expect(sweepStore(store.paths)).toEqual([]);
  });
});

test("copyTreeWritable copies what the pack was, writable and without the store's links", async () => {
  using store = createStore();
  fill(store.pack);
  const { digest } = await put(store);
  const copy = `${store.path}/copy`;
  copyTreeWritable(store.paths.tree(digest), copy);
  expect(tarDigest(copy)).toBe(digest);
  expect(
    picture(copy)
      .filter((line) => / [57]/.test(line))
      .map((line) => line.replace(/ \d{5,}$/, "")),
  ).toEqual(["bin/ 755", "bin/empty/ 755", "bin/run 755"]);
  writeFileSync(`${copy}/doc`, "changed");
  expect(verifyTreeFast(store.paths, digest).ok).toBe(true);
});

test("copyTreeWritable keeps logs that the pack ships", async () => {
  using store = createStore();
  mkdirSync(`${store.pack}/logs`);
  symlinkSync("logs", `${store.pack}/data`);
  const { digest } = await put(store);
  copyTreeWritable(store.paths.tree(digest), `${store.path}/copy`);
  expect(tarDigest(`${store.path}/copy`)).toBe(digest);
});

test("diffTrees names what was added, changed and removed", async () => {
  using store = createStore();
  fill(store.pack);
  const before = (await scanTree(store.pack)).entries;
  expect(diffTrees(before, before)).toEqual({ added: [], changed: [], removed: [] });
  writeFileSync(`${store.pack}/doc`, "TEXT");
  chmodSync(`${store.pack}/bin/run`, 0o644);
  rmSync(`${store.pack}/start`);
  symlinkSync("doc", `${store.pack}/start`);
  rmSync(`${store.pack}/bin/empty`, { recursive: true });
  writeFileSync(`${store.pack}/bin/empty`, "now a file");
  rmSync(`${store.pack}/large`);
  writeFileSync(`${store.pack}/new`, "");
  expect(diffTrees(before, (await scanTree(store.pack)).entries)).toEqual({
    added: ["new"],
    changed: ["bin/empty", "bin/run", "doc", "start"],
    removed: ["large"],
  });
});
