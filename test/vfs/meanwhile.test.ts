/** What others move and remove between two system calls of one change. */
import { expect, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

import { resolveByKernel } from "../../src/vfs/resolve.ts";
import { openVfs } from "../../src/vfs/vfs.ts";
import { scratch } from "../support/aurora.ts";

const isRoot = process.geteuid?.() === 0;

/** Before the look-ups of these numbers, from when it is armed, somebody else does something. */
function opened() {
  const directory = scratch();
  let count = 0;
  let others: Record<number, () => void> = {};
  const vfs = openVfs({
    root: directory.path,
    resolve: (root, path, flags) => {
      others[++count]?.();
      return resolveByKernel(root, path, flags);
    },
  });
  return {
    vfs,
    root: directory.path,
    arm: (next: Record<number, () => void>) => {
      count = 0;
      others = next;
    },
    reached: () => Object.keys(others).every((number) => count >= Number(number)),
    [Symbol.dispose]: () => {
      vfs[Symbol.dispose]();
      directory[Symbol.dispose]();
    },
  };
}

const durable = { isDurable: true };

test("what was written durably is done, also where its directory is moved before it is flushed", async () => {
  using t = opened();
  mkdirSync(`${t.root}/a/b`, { recursive: true });
  // The first look-up finds the place of the file.
  t.arm({ 2: () => renameSync(`${t.root}/a`, `${t.root}/c`) });
  await t.vfs.write("/a/b/file", "x", durable);
  expect(t.reached()).toBe(true);
  expect(readFileSync(`${t.root}/c/b/file`, "utf8")).toBe("x");
});

test.each([
  ["written", 2, (t: ReturnType<typeof opened>) => t.vfs.write("/a/b/file", "x", durable)],
  ["added to", 3, (t: ReturnType<typeof opened>) => t.vfs.append("/a/b/file", "x", durable)],
  ["removed", 2, (t: ReturnType<typeof opened>) => t.vfs.remove("/a/b/file", false, true)],
  ["made", 3, (t: ReturnType<typeof opened>) => t.vfs.makeDirectory("/a/b/more", durable)],
  ["linked", 2, (t: ReturnType<typeof opened>) => t.vfs.symlink("x", "/a/b/link", true)],
])(
  "what was %s durably is done, also where all of it is removed before it is flushed",
  async (_, at, change) => {
    using t = opened();
    mkdirSync(`${t.root}/a/b`, { recursive: true });
    writeFileSync(`${t.root}/a/b/file`, "");
    t.arm({ [at]: () => rmSync(`${t.root}/a`, { recursive: true }) });
    await change(t);
    expect(t.reached()).toBe(true);
    expect(existsSync(`${t.root}/a`)).toBe(false);
  },
);

test("an append begins again where what it has opened is removed before it is locked", async () => {
  using t = opened();
  mkdirSync(`${t.root}/a`);
  writeFileSync(`${t.root}/a/log`, "old");
  t.arm({ 3: () => rmSync(`${t.root}/a`, { recursive: true }) });
  await t.vfs.append("/a/log", "new", { hasParents: true });
  expect(t.reached()).toBe(true);
  expect(readFileSync(`${t.root}/a/log`, "utf8")).toBe("new");
});

test("what another creates and removes again is created", async () => {
  using t = opened();
  t.arm({
    2: () => writeFileSync(`${t.root}/log`, "other"),
    3: () => rmSync(`${t.root}/log`),
  });
  await t.vfs.append("/log", "mine");
  expect(t.reached()).toBe(true);
  expect(readFileSync(`${t.root}/log`, "utf8")).toBe("mine");
});

test.skipIf(!isRoot)("a link that is removed as soon as it is made was made (needs root)", async () => {
  using t = opened();
  chownSync(t.root, 65534, 65534);
  using vfs = openVfs({ root: t.root });
  const script = "while :; do rm -f link; done";
  const other = Bun.spawn(["sh", "-c", script], { cwd: t.root, stderr: "ignore" });
  for (let i = 0; i < 1000; i++) {
    vfs.sync.symlink("x", "/link");
    rmSync(`${t.root}/link`, { force: true });
  }
  other.kill();
  await other.exited;
});

test("what is written durably below a name that is no UTF-8 is flushed too", async () => {
  using t = opened();
  using source = scratch();
  const name = Buffer.concat([Buffer.from(`${source.path}/`), Buffer.of(0xff)]);
  mkdirSync(name);
  mkdirSync(Buffer.concat([name, Buffer.from("/in")]));
  expect(await t.vfs.importDirectory(source.path, "/to", durable)).toEqual({ bytes: 0, files: 0 });
});
