/** A root that nobody leaves: the same rules by the kernel's look-up and by hand. */
import { describe, expect, test } from "bun:test";
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { AuroraError } from "../../src/errors.ts";
import { MAX_DEPTH } from "../../src/vfs/directory-calls.ts";
import { PackRoot } from "../../src/vfs/pack-root.ts";
import { resolveByKernel, resolveByWalk } from "../../src/vfs/resolve.ts";
import { scratch } from "../support/aurora.ts";

const SECRET = "what is outside";

async function* text(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

function read(root: PackRoot, path: string): string {
  const chunks: Buffer[] = [];
  root.read(path, (chunk) => chunks.push(Buffer.from(chunk)));
  return Buffer.concat(chunks).toString();
}

async function codeOf(work: () => unknown): Promise<string | undefined> {
  try {
    await work();
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    return thrown.code;
  }
  return undefined;
}

const exchangeModule = join(import.meta.dir, "../../src/system/exchange.ts");
/** Exchanges a directory and a link that leads out, as fast as it can. */
const ATTACK = `const { exchange } = await import(process.argv.at(-1)); for (;;) exchange("d", "trap");`;

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** A root with everything that leads out of it, beside a directory that must stay as it is. */
function setUp(resolve: typeof resolveByKernel) {
  const directory = scratch();
  const [inside, outside] = [`${directory.path}/root`, `${directory.path}/outside`];
  mkdirSync(`${inside}/d/e`, { recursive: true });
  mkdirSync(`${outside}/dir`, { recursive: true });
  writeFileSync(`${outside}/secret`, SECRET);
  writeFileSync(`${outside}/dir/file`, SECRET);
  writeFileSync(`${inside}/file`, "inside");
  writeFileSync(`${inside}/d/deep`, "deep");
  const links: Record<string, string> = {
    "out-file": "../outside/secret",
    "out-dir": "../outside",
    absolute: `${outside}/secret`,
    "absolute-back": `${inside}/file`,
    "d/up-and-out": "../../outside",
    "through-dots": "d/../../outside/secret",
    "proc-root": "/proc/self/root",
    "in-file": "file",
    "in-dir": "d",
    "d/up-inside": "../file",
    chain: "in-dir/up-inside",
    "chain-out": "d/up-and-out/secret",
    loop: "loop",
    "loop-a": "loop-b",
    "loop-b": "loop-a",
    dangling: "nothing/there",
    root: ".",
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, `${inside}/${name}`);
  Bun.spawnSync(["mkfifo", `${inside}/fifo`]);
  const root = new PackRoot(inside, resolve);
  return {
    root,
    inside,
    outside,
    isOutsideUntouched: () =>
      readFileSync(`${outside}/secret`, "utf8") === SECRET &&
      readdirSync(outside).toSorted().join() === "dir,secret" &&
      readdirSync(`${outside}/dir`).join() === "file",
    [Symbol.dispose]() {
      root[Symbol.dispose]();
      directory[Symbol.dispose]();
    },
  };
}

describe.each([
  ["by the kernel", resolveByKernel],
  ["by hand", resolveByWalk],
])("%s", (_name, resolve) => {
  describe("whatever leads out is refused, for every operation", () => {
    const paths = [
      "out-file",
      "out-dir/secret",
      "out-dir/dir/file",
      "absolute",
      "absolute-back",
      "d/up-and-out/secret",
      "through-dots",
      "proc-root/etc/passwd",
      "chain-out",
      "root/out-file",
      "in-dir/up-and-out/secret",
    ];
    test.each(paths)("%s", async (path) => {
      using t = setUp(resolve);
      const operations = [
        () => read(t.root, path),
        () => t.root.stat(path),
        () => t.root.list(path),
        () => t.root.list(`${path}/`),
        () => t.root.write(path, text("evil")),
        () => t.root.append(path, text("evil")),
        () => t.root.copy(path, "copied", false),
        () => t.root.copy("file", path, false),
        () => t.root.makeDirectory(`${path}/new`),
      ];
      const codes = await Promise.all(operations.map(codeOf));
      expect(codes.filter((code) => code !== "escape-refused" && code !== "not-a-directory")).toEqual([]);
      expect(codes[0]).toBe("escape-refused");
      expect(t.isOutsideUntouched()).toBe(true);
    });

    test.each(["out-dir/secret", "out-dir/dir", "d/up-and-out/secret"])(
      "removing and moving %s",
      async (path) => {
        using t = setUp(resolve);
        for (const work of [
          () => t.root.remove(path, true),
          () => t.root.move(path, "here", false),
          () => t.root.move("file", path, false),
        ])
          expect(await codeOf(work)).toBe("escape-refused");
        expect(t.isOutsideUntouched()).toBe(true);
      },
    );

    test("nothing outside can be told from nothing", async () => {
      using t = setUp(resolve);
      expect(await codeOf(() => t.root.stat("out-dir/secret"))).toBe(
        (await codeOf(() => t.root.stat("out-dir/no-such-file"))) as string,
      );
    });
  });

  test("links that stay inside are followed", () => {
    using t = setUp(resolve);
    expect(
      ["in-file", "in-dir/deep", "d/up-inside", "chain", "root/file", "root/root/d/deep"].map((path) =>
        read(t.root, path),
      ),
    ).toEqual(["inside", "deep", "inside", "inside", "inside", "deep"]);
    expect(t.root.list("in-dir").map(({ name }) => name)).toEqual(["deep", "e", "up-and-out", "up-inside"]);
  });

  test("a link is removed and moved, not what it leads to", () => {
    using t = setUp(resolve);
    t.root.remove("in-file", false);
    t.root.remove("out-dir", true);
    t.root.move("out-file", "moved", false);
    expect(readFileSync(`${t.inside}/file`, "utf8")).toBe("inside");
    expect(readlinkSync(`${t.inside}/moved`)).toBe("../outside/secret");
    expect(t.isOutsideUntouched()).toBe(true);
  });

  test("writing through a link that stays inside keeps the link", async () => {
    using t = setUp(resolve);
    await t.root.write("chain", text("new ", "content"));
    expect(readFileSync(`${t.inside}/file`, "utf8")).toBe("new content");
    expect(lstatSync(`${t.inside}/chain`).isSymbolicLink()).toBe(true);
  });

  test.each([
    ["loop", "escape-refused"],
    ["loop-a/x", "escape-refused"],
    ["dangling", "not-found"],
    ["nothing", "not-found"],
    ["file/x", "not-a-directory"],
    ["file/", "not-a-directory"],
    ["d", "is-a-directory"],
    ["fifo", "not-regular"],
  ])("reading %s: %s, and nothing waits", async (path, code) => {
    using t = setUp(resolve);
    expect(await codeOf(() => read(t.root, path))).toBe(code);
  });

  test("a write is whole or not at all, keeps the mode, and creates what is above it", async () => {
    using t = setUp(resolve);
    await t.root.write("a/b/c", text("one"), { isDurable: true });
    expect(read(t.root, "a/b/c")).toBe("one");
    Bun.spawnSync(["chmod", "751", `${t.inside}/a/b/c`]);
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("half");
      throw new AuroraError("failed", "the input broke");
    }
    expect(await codeOf(() => t.root.write("a/b/c", breaking()))).toBe("failed");
    expect(read(t.root, "a/b/c")).toBe("one");
    await t.root.write("a/b/c", text("two"));
    expect(statSync(`${t.inside}/a/b/c`).mode & 0o777).toBe(0o751);
    expect(readdirSync(`${t.inside}/a/b`)).toEqual(["c"]);
  });

  test.each([
    ["d", "is-a-directory"],
    ["d/", "is-a-directory"],
    ["/", "is-a-directory"],
    ["fifo", "not-regular"],
    ["file/x", "not-a-directory"],
    ["dangling", "not-found"],
  ])("writing to %s: %s", async (path, code) => {
    using t = setUp(resolve);
    expect(await codeOf(() => t.root.write(path, text("x")))).toBe(code);
    expect(readdirSync(t.inside).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("a file with another name is not changed in place, and a write leaves the other as it was", async () => {
    using t = setUp(resolve);
    linkSync(`${t.outside}/secret`, `${t.inside}/hard`);
    expect(await codeOf(() => t.root.append("hard", text("x")))).toBe("denied");
    await t.root.write("hard", text("mine"));
    expect(t.isOutsideUntouched()).toBe(true);
  });

  test("isNew refuses what is there, a link too", async () => {
    using t = setUp(resolve);
    for (const path of ["file", "in-file", "out-file", "dangling", "d"])
      expect(await codeOf(() => t.root.write(path, text("x"), { isNew: true }))).toBe(
        path === "d" ? "exists" : "exists",
      );
    await t.root.write("fresh", text("x"), { isNew: true });
    expect(await codeOf(() => t.root.move("fresh", "file", true))).toBe("exists");
    expect(await codeOf(() => t.root.copy("fresh", "file", true))).toBe("exists");
  });

  test("removal: the root never, a full directory only when asked, also with names that are no UTF-8", async () => {
    using t = setUp(resolve);
    for (const path of ["/", ".", "d/.."])
      expect(await codeOf(() => t.root.remove(path, true))).toBe("invalid-path");
    expect(await codeOf(() => t.root.remove("", true))).toBe("invalid-path");
    expect(await codeOf(() => t.root.remove("d", false))).toBe("not-empty");
    expect(await codeOf(() => t.root.remove("file/", false))).toBe("not-a-directory");
    writeFileSync(Buffer.concat([Buffer.from(`${t.inside}/d/`), Buffer.from([0xff, 0xfe])]), "x");
    t.root.remove("d", true);
    expect(lstatSync(`${t.inside}/d`, { throwIfNoEntry: false })).toBeUndefined();
    expect(t.isOutsideUntouched()).toBe(true);
  });

  test("odd names come back as they went in", async () => {
    using t = setUp(resolve);
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
    for (const name of odd) await t.root.write(`odd/${name}`, text(name));
    expect(t.root.list("odd").map(({ name }) => name)).toEqual(odd.toSorted());
    for (const name of odd) expect(read(t.root, `odd/${name}`)).toBe(name);
  });

  test("a tree is walked without following links", () => {
    using t = setUp(resolve);
    const shown = [...t.root.walk("d")].map(({ depth, entry }) => `${depth} ${entry.type} ${entry.name}`);
    expect(shown).toEqual(["1 file deep", "1 directory e", "1 symlink up-and-out", "1 symlink up-inside"]);
    expect(t.root.usage().used_bytes).toBe("inside".length + "deep".length);
  });

  test("a directory is exchanged for a link all the time: nothing outside is ever read or written", async () => {
    using t = setUp(resolve);
    writeFileSync(`${t.inside}/d/secret`, "inside");
    symlinkSync("../outside", `${t.inside}/trap`);
    const attacker = Bun.spawn([process.execPath, "-e", ATTACK, exchangeModule], {
      cwd: t.inside,
      stderr: "ignore",
    });
    try {
      let escapesOfControl = 0;
      let reads = 0;
      // Until the plain way was led astray often enough for this to mean something; ten seconds only end what is hopeless.
      const end = performance.now() + 10_000;
      while (performance.now() < end && (escapesOfControl < 100 || reads < 500)) {
        if (readOrNothing(`${t.inside}/d/secret`) === SECRET) escapesOfControl++;
        const seen: string[] = [];
        await codeOf(() => seen.push(read(t.root, "d/secret")));
        await codeOf(() => seen.push(...t.root.list("d").map(({ name }) => name)));
        await codeOf(() => t.root.write("d/written", text("x")));
        await codeOf(() => t.root.append("d/appended", text("x")));
        await codeOf(() => t.root.remove("d/file", true));
        expect(seen).not.toContain(SECRET);
        expect(seen).not.toContain("dir");
        if (seen.length > 0) reads++;
      }
      expect(escapesOfControl).toBeGreaterThan(0);
      expect(reads).toBeGreaterThan(0);
    } finally {
      attacker.kill("SIGKILL");
      await attacker.exited;
    }
    expect(t.isOutsideUntouched()).toBe(true);
  });
});

test("20 writers at once: the last whole write wins, and appends keep their records", async () => {
  using t = setUp(resolveByKernel);
  const contents = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(100_000));
  await Promise.all(
    contents.map((content) => t.root.write("same", text(content.slice(0, 50_000), content.slice(50_000)))),
  );
  expect(contents).toContain(read(t.root, "same"));
  await Promise.all(contents.map((_, i) => t.root.append("journal", text(`record ${i}\n`))));
  expect(read(t.root, "journal").trimEnd().split("\n").toSorted()).toEqual(
    contents.map((_, i) => `record ${i}`).toSorted(),
  );
});

test("a tree that is too deep is an error and not a crash, and what is as deep as allowed is removed", async () => {
  using t = setUp(resolveByKernel);
  const deepest = Array.from({ length: MAX_DEPTH - 2 }, () => "n").join("/");
  t.root.makeDirectory(`deep/${deepest}`);
  expect([...t.root.walk("deep")]).toHaveLength(MAX_DEPTH - 2);
  expect(await codeOf(() => [...t.root.walk("/")])).toBeUndefined();
  t.root.makeDirectory(`deep/${deepest}/n/n`);
  expect(await codeOf(() => [...t.root.walk("/")])).toBe("too-large");
  expect(await codeOf(() => t.root.remove("deep", true))).toBe("too-large");
  t.root.remove("deep/n/n/n", true);
  t.root.remove("deep", true);
});
