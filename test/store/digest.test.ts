/** The digest is what GNU tar and sha256sum print, on every tree that a pack may be, and an error on every other. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

import { scanTree } from "../../src/store/scan-tree.ts";
import { scratch } from "../support/aurora.ts";
import { tarDigest } from "./fixture.ts";

type Build = (pack: string) => void;

function file(path: string, content = "x"): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** Every byte that may stand in a UTF-8 name by itself, and the longer sequences at their limits. */
function everyCharacter(pack: string): void {
  for (let code = 1; code < 128; code++)
    if (code !== 0x2f && code !== 0x2e) file(`${pack}/ascii/${String.fromCodePoint(code)}`);
  for (let code = 0x80; code < 0x100; code++) file(`${pack}/latin/${String.fromCodePoint(code)}`);
  for (const code of [0x7ff, 0x800, 0xd7ff, 0xe000, 0xfeff, 0xfffd, 0xffff, 0x1_0000, 0x10_ffff])
    file(`${pack}/far/${String.fromCodePoint(code)}`);
}

const trees: [name: string, build: Build][] = [
  ["an empty pack", () => {}],
  ["every character in a name", everyCharacter],
  [
    "names with newlines, dashes, quotes and spaces",
    (p) =>
      ["-rf", "--help", "a\nb", "\n", "'\"", " ", "\\n", "*", "~"].forEach((name) => file(`${p}/${name}`)),
  ],
  [
    "names that sort by bytes, not by letters",
    (p) =>
      ["a/b", "a-b", "a.b", "a b", "B", "_", "Z/y", "é", "z", "𐀀", "\uE000"].forEach((name) =>
        file(`${p}/${name}`),
      ),
  ],
  ["composed and decomposed letters", (p) => ["\u00e9", "e\u0301"].forEach((name) => file(`${p}/${name}`))],
  [
    "names that end in dots",
    (p) => ["...", "..a", "a..", "x/.hidden"].forEach((name) => file(`${p}/${name}`)),
  ],
  [
    "empty files and directories",
    (p) => {
      file(`${p}/empty`, "");
      mkdirSync(`${p}/a/b/c`, { recursive: true });
    },
  ],
  [
    "all permission bits of files",
    (p) => {
      for (let mode = 0; mode < 0o1000; mode += 0o11) {
        file(`${p}/f${mode}`);
        chmodSync(`${p}/f${mode}`, mode | 0o400);
      }
    },
  ],
  [
    "setuid, setgid and sticky files",
    (p) =>
      [0o4755, 0o2755, 0o1644, 0o6644].forEach((mode) => {
        file(`${p}/f${mode}`);
        chmodSync(`${p}/f${mode}`, mode);
      }),
  ],
  [
    "sticky and closed directories",
    (p) =>
      [0o1777, 0o700, 0o555].forEach((mode) => {
        mkdirSync(`${p}/d${mode}`);
        chmodSync(`${p}/d${mode}`, mode);
      }),
  ],
  [
    "odd times",
    (p) =>
      [0, 1, 1e9, 4e9].forEach((time) => {
        file(`${p}/f${time}`);
        utimesSync(`${p}/f${time}`, time, time);
      }),
  ],
  [
    "hard links inside the pack",
    (p) => {
      file(`${p}/a`, "same");
      linkSync(`${p}/a`, `${p}/b`);
      mkdirSync(`${p}/d`);
      linkSync(`${p}/a`, `${p}/d/c`);
    },
  ],
  [
    "symlinks: to a file, a directory, nothing, itself, up and down",
    (p) => {
      file(`${p}/d/f`);
      for (const [name, target] of [
        ["l1", "d/f"],
        ["l2", "d"],
        ["l3", "missing/too"],
        ["l4", "l4"],
        ["d/l5", "../l1"],
        ["d/l6", ".."],
        ["l7", "./d/../d//f"],
        ["l8", "l2/f"],
        ["l9", "é\n"],
      ] as const)
        symlinkSync(target, `${p}/${name}`);
    },
  ],
  [
    "symlinks of 99 and 100 bytes",
    (p) => [99, 100].forEach((length) => symlinkSync("t".repeat(length), `${p}/${length}`)),
  ],
  [
    "file sizes around the block and the record",
    (p) =>
      [1, 511, 512, 513, 1023, 1024, 8191, 8192, 9215, 9216, 9217, 10_239, 10_240, 10_241].forEach((size) =>
        file(`${p}/s${size}`, "s".repeat(size)),
      ),
  ],
  [
    "file sizes around the chunk",
    (p) =>
      [2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 3 * 2 ** 20 + 7].forEach((size) =>
        file(`${p}/s${size}`, "s".repeat(size)),
      ),
  ],
  ["one empty file: the archive is one record", (p) => file(`${p}/f`, "")],
  [
    "a sparse file",
    (p) => {
      file(`${p}/sparse`, "x");
      truncateSync(`${p}/sparse`, 5_000_000);
    },
  ],
];

test.each(trees)("%s", async (_name, build) => {
  using directory = scratch();
  build(directory.path);
  expect((await scanTree(directory.path)).digest).toBe(tarDigest(directory.path) as string);
});

test("archives of every number of blocks up to two records", async () => {
  using directory = scratch();
  for (let blocks = 1; blocks <= 42; blocks++) {
    file(`${directory.path}/f`, "b".repeat(blocks * 512));
    expect((await scanTree(directory.path)).digest).toBe(tarDigest(directory.path) as string);
  }
});

describe("the longest names of ustar", () => {
  // One directory and a name in it, and a directory with that name: every length around 100, 155 + 100 and 256 bytes.
  const lengths: [prefix: number, name: number][] = [];
  for (const prefix of [0, 1, 50, 99, 100, 152, 153, 154, 155])
    for (const name of [1, 48, 49, 97, 98, 99, 100, 101, 154]) lengths.push([prefix, name]);
  const kinds: [kind: string, make: (path: string) => void][] = [
    ["file", (path) => writeFileSync(path, "x")],
    ["directory", (path) => mkdirSync(path)],
    ["symlink", (path) => symlinkSync("x", path)],
  ];
  test.each(kinds)("%s", async (_kind, make) => {
    let refused = 0;
    for (const [prefix, name] of lengths) {
      using directory = scratch();
      // A prefix of several components, so that there is more than one place to divide the name.
      const parent = prefix === 0 ? "" : `${"p".repeat(prefix).replaceAll(/p{10}(?=p{2})/g, "pppppppp/p")}/`;
      mkdirSync(`${directory.path}/${parent}`, { recursive: true });
      make(`${directory.path}/${parent}${"n".repeat(name)}`);
      const expected = tarDigest(directory.path);
      const scanned = scanTree(directory.path).then(
        ({ digest }) => digest,
        (thrown: { diagnostics: { message: string }[] }) => thrown.diagnostics[0]?.message,
      );
      if (expected === undefined) {
        refused++;
        expect(await scanned, `${prefix} + ${name}`).toEndWith(
          "has a path that is too long for the tar format",
        );
      } else expect(await scanned, `${prefix} + ${name}`).toBe(expected);
    }
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(lengths.length);
  });
});

describe("what does not change the digest", () => {
  test("umask, mtime, owner and place", async () => {
    const digests = new Set<string>();
    for (const [umask, uid] of [
      [0o22, 0],
      [0o77, 65_534],
      [0o2, 1],
    ] as const) {
      using directory = scratch();
      const before = process.umask(umask);
      file(`${directory.path}/bin/run`);
      chmodSync(`${directory.path}/bin/run`, 0o777 & ~umask);
      file(`${directory.path}/doc`);
      process.umask(before);
      utimesSync(`${directory.path}/doc`, uid, uid);
      if (process.getuid?.() === 0) Bun.spawnSync(["chown", "-R", String(uid), directory.path]);
      digests.add((await scanTree(directory.path)).digest);
    }
    expect(digests.size).toBe(1);
  });
});

describe("random trees", () => {
  /** mulberry32: the same trees for the same seed. */
  const randomFrom = (seed: number) => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const first = Number(Bun.env["AURORA_SEED"] ?? 1);
  const count = Number(Bun.env["AURORA_RUNS"] ?? 40);
  test.each(Array.from({ length: count }, (_, i) => first + i))("seed %i", async (seed) => {
    const random = randomFrom(seed);
    const upTo = (limit: number) => Math.floor(random() * limit);
    const alphabet = "abAB019-_. ~#\n\té€𐀀\uE000'\"\\*?[]{}$&";
    const name = () => {
      const letters = [...alphabet];
      const text = Array.from(
        { length: 1 + upTo(random() < 0.1 ? 90 : 6) },
        () => letters[upTo(letters.length)],
      ).join("");
      return /^\.{1,2}$/.test(text) ? "dots" : text.slice(0, 60);
    };
    using directory = scratch();
    const directories = [directory.path];
    for (let i = 0; i < 60; i++) {
      const parent = directories[upTo(directories.length)] as string;
      const path = `${parent}/${name()}`;
      const kind = random();
      try {
        if (kind < 0.25) {
          mkdirSync(path);
          directories.push(path);
        } else if (kind < 0.85) {
          writeFileSync(path, "z".repeat(upTo(random() < 0.1 ? 60_000 : 1500)), { flag: "wx" });
          chmodSync(path, upTo(0o10000) | 0o400);
        } else symlinkSync(name(), path);
      } catch (thrown) {
        expect((thrown as NodeJS.ErrnoException).code).toBe("EEXIST");
      }
    }
    const expected = tarDigest(directory.path);
    if (expected === undefined) await expect(scanTree(directory.path)).rejects.toThrow("may not hold");
    else expect((await scanTree(directory.path)).digest).toBe(expected);
  });
});
