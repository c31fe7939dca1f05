/** Copies of directories whose owner may be at work in them: a service's data before an upgrade. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";

import { listenToChanges } from "../../src/system/changes.ts";
import { cloneTree } from "../../src/system/clone-tree.ts";
import { makeFifo } from "../../src/system/fifo.ts";
import { scratch } from "../support/aurora.ts";

function place() {
  const directory = scratch();
  const [from, to, secrets] = ["from", "to", "secrets"].map((name) => `${directory.path}/${name}`) as [
    string,
    string,
    string,
  ];
  mkdirSync(from);
  mkdirSync(secrets);
  writeFileSync(`${secrets}/file`, "secret");
  return { ...directory, from, to, secrets };
}

test("modes, links, names of one file, pipes and holes", () => {
  using t = place();
  mkdirSync(`${t.from}/in`, { mode: 0o750 });
  writeFileSync(`${t.from}/in/file`, "content");
  chmodSync(`${t.from}/in/file`, 0o640);
  linkSync(`${t.from}/in/file`, `${t.from}/second`);
  symlinkSync("in/file", `${t.from}/link`);
  makeFifo(`${t.from}/pipe`, 0o600);
  writeFileSync(`${t.from}/holes`, "begin");
  truncateSync(`${t.from}/holes`, 2 ** 30);
  cloneTree(t.from, t.to);
  expect(readdirSync(t.to).toSorted()).toEqual(["holes", "in", "link", "pipe", "second"]);
  expect(readFileSync(`${t.to}/second`, "utf8")).toBe("content");
  const [first, second] = [`${t.to}/in/file`, `${t.to}/second`].map((path) => lstatSync(path));
  expect([first?.ino, (first?.mode ?? 0) & 0o777]).toEqual([second?.ino, 0o640]);
  expect(lstatSync(`${t.to}/in`).mode & 0o777).toBe(0o750);
  expect(readlinkSync(`${t.to}/link`)).toBe("in/file");
  expect(lstatSync(`${t.to}/pipe`).isFIFO()).toBe(true);
  expect(lstatSync(`${t.to}/holes`)).toMatchObject({ size: 2 ** 30 });
  expect(lstatSync(`${t.to}/holes`).blocks).toBeLessThan(1000);
});

test("links to secrets stay links, and so does a tree that is one", () => {
  using t = place();
  symlinkSync(`${t.secrets}/file`, `${t.from}/file`);
  symlinkSync(t.secrets, `${t.from}/directory`);
  cloneTree(t.from, t.to);
  expect(readlinkSync(`${t.to}/file`)).toBe(`${t.secrets}/file`);
  expect(readlinkSync(`${t.to}/directory`)).toBe(t.secrets);
  symlinkSync(t.secrets, `${t.path}/tree`);
  expect(() => cloneTree(`${t.path}/tree`, `${t.path}/other`)).toThrow();
});

test.if(process.getuid?.() === 0)(
  "for root, the second name of somebody else's file is left out (needs root)",
  () => {
    using t = place();
    linkSync(`${t.secrets}/file`, `${t.from}/stolen`);
    writeFileSync(`${t.from}/own`, "own");
    linkSync(`${t.from}/own`, `${t.from}/own-too`);
    for (const path of [t.from, `${t.from}/own`]) chownSync(path, 1_900_000_001, 1_900_000_001);
    cloneTree(t.from, t.to);
    expect(readdirSync(t.to).toSorted()).toEqual(["own", "own-too"]);
    expect(lstatSync(`${t.to}/own`).uid).toBe(1_900_000_001);
  },
);

test("what is exchanged for a link or a pipe while it is copied is copied as it was, or not at all", async () => {
  using t = place();
  // Each is in turn what it seems, and a way out.
  const attack = `
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
const [from, secrets] = process.argv.slice(1);
writeFileSync(from + "/file", "own");
mkdirSync(from + "/directory");
writeFileSync(from + "/directory/file", "own");
process.stdout.write("ready");
for (let turn = 0; ; turn++) {
  symlinkSync(secrets + "/file", from + "/link");
  renameSync(from + "/link", from + "/file");
  writeFileSync(from + "/new", "own");
  renameSync(from + "/new", from + "/file");
  if (turn % 4 !== 0) continue;
  renameSync(from + "/directory", from + "/aside");
  symlinkSync(secrets, from + "/directory");
  rmSync(from + "/directory");
  renameSync(from + "/aside", from + "/directory");
}`;
  const attacker = Bun.spawn([process.execPath, "-e", attack, t.from, t.secrets], {
    env: { ...Bun.env, BUN_BE_BUN: "1" },
    stdout: "pipe",
  });
  try {
    await attacker.stdout.getReader().read();
    let copies = 0;
    for (let round = 0; round < 400; round++) {
      cloneTree(t.from, t.to);
      for (const path of ["file", "new", "aside/file", "directory/file"].map((name) => `${t.to}/${name}`)) {
        if (!existsSync(path) || isThroughLink(t.to, path)) continue;
        copies++;
        expect(["own", ""]).toContain(readFileSync(path, "utf8"));
      }
      rmSync(t.to, { recursive: true });
    }
    expect(copies).toBeGreaterThan(0);
  } finally {
    attacker.kill("SIGKILL");
    await attacker.exited;
  }
});

/** A link that was copied as a link leads where it led before. */
function isThroughLink(root: string, path: string): boolean {
  const [first = "", ...rest] = path.slice(root.length + 1).split("/");
  return (
    lstatSync(`${root}/${first}`).isSymbolicLink() || (rest.length > 0 && lstatSync(path).isSymbolicLink())
  );
}

test("a directory that is removed after it was opened is empty", () => {
  using t = place();
  mkdirSync(`${t.from}/going`);
  writeFileSync(`${t.from}/staying`, "content");
  let made = 0;
  listenToChanges((call) => {
    // The second is the copy of what is in it, which is open by then.
    if (call === "mkdir" && ++made === 2) rmSync(`${t.from}/going`, { recursive: true });
  });
  try {
    cloneTree(t.from, t.to);
  } finally {
    listenToChanges(() => {});
  }
  expect(readdirSync(t.to).toSorted()).toEqual(["going", "staying"]);
  expect(readdirSync(`${t.to}/going`)).toEqual([]);
});
