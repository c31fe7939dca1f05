/** What stays out of a pack, compared with `tar --exclude` on the same tree. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

import { scanTree } from "../../src/store/scan-tree.ts";
import { scratch } from "../support/aurora.ts";
import { tarDigest } from "./fixture.ts";

const names = [
  "a.log",
  "A.LOG",
  "b",
  "build/out",
  "build/keep/f",
  "src/build/x",
  "src/a.log",
  "src/deep/node_modules/m/index.js",
  "node_modules/n",
  "doc/build",
  ".git/HEAD",
  "sub/.git/HEAD",
  "worktree/.git",
  ".gitignore",
  "secret key",
  "#hash",
];

/** The rules, tar's --exclude patterns of the same meaning, and a name that must be out or in, to see that they bite. */
test.each<[rules: string, exclude: string[], out: string | undefined, kept: string]>([
  ["", [], undefined, "a.log"],
  ["# a comment\n\n   \n", [], undefined, "#hash"],
  ["*.log\n", ["*.log"], "src/a.log", "A.LOG"],
  ["/*.log\n", ["./a.log"], "a.log", "src/a.log"],
  ["build/\n", ["./build", "./src/build"], "build/out", "doc/build"],
  ["/build\n", ["./build"], "build/out", "src/build/x"],
  ["node_modules\r\n", ["node_modules"], "src/deep/node_modules/m/index.js", "b"],
  [
    "src/**/index.js\n",
    ["./src/deep/node_modules/m/index.js"],
    "src/deep/node_modules/m/index.js",
    "src/a.log",
  ],
  ["*.log\n!src/a.log\n", ["./a.log"], "a.log", "src/a.log"],
  ["/build/*\n!/build/keep\n", ["./build/out"], "build/out", "build/keep/f"],
  ["build\n!build/keep/f\n", ["build"], "build/keep/f", "b"],
  ["secret\\ key\n\\#hash\n", ["secret key", "#hash"], "secret key", "b"],
  ["!.git\n", [], ".git/HEAD", "b"],
  [".auroraignore\n", [".auroraignore"], ".auroraignore", "b"],
])("%j", async (rules, exclude, out, kept) => {
  using directory = scratch();
  for (const name of names) {
    mkdirSync(dirname(`${directory.path}/${name}`), { recursive: true });
    writeFileSync(`${directory.path}/${name}`, name);
  }
  writeFileSync(`${directory.path}/.auroraignore`, rules);
  const { digest, entries } = await scanTree(directory.path);
  expect(digest).toBe(tarDigest(directory.path, ".git", ...exclude) as string);
  const paths = entries.map(({ path }) => path);
  expect(paths).toContain(kept);
  if (out !== undefined) expect(paths).not.toContain(out);
  expect(paths.filter((path) => path.split("/").includes(".git"))).toEqual([]);
});

test("only the file at the top counts", async () => {
  using directory = scratch();
  mkdirSync(`${directory.path}/d`);
  writeFileSync(`${directory.path}/d/.auroraignore`, "x\n");
  writeFileSync(`${directory.path}/d/x`, "");
  expect((await scanTree(directory.path)).entries.map(({ path }) => path)).toEqual([
    "d",
    "d/.auroraignore",
    "d/x",
  ]);
});

test("what is ignored is not looked at: it may be anything", async () => {
  using directory = scratch();
  writeFileSync(`${directory.path}/.auroraignore`, "run/\n");
  mkdirSync(`${directory.path}/run`);
  Bun.spawnSync(["mkfifo", `${directory.path}/run/fifo`]);
  expect((await scanTree(directory.path)).files).toBe(1);
});
