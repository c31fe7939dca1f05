/**
 * A process that dies, or meets a broken disk, at any system call that changes the store leaves what a sweep makes right.
 * Needs strace; AURORA_CRASH_FSYNC=1 also goes through every fsync.
 */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";

import { sweepStore } from "../../src/store/sweep-store.ts";
import { hasTree, listTrees } from "../../src/store/tree-record.ts";
import { verifyTree } from "../../src/store/verify-tree.ts";
import { sweepScratch } from "../../src/system/scratch.ts";
import { canTrace } from "../support/can-trace.ts";
import { createStore, put, type Store } from "./fixture.ts";

const CALLS = ["mkdir", "chmod", "symlink", "rename", "renameat2", "unlink", "unlinkat"];
if (Bun.env["AURORA_CRASH_FSYNC"] === "1") CALLS.push("fsync");
/** Far more than any of these scripts makes of one kind. */
const MAX_POINTS = 60;

function fill(pack: string): void {
  mkdirSync(`${pack}/d`);
  writeFileSync(`${pack}/d/f`, "content");
  symlinkSync("d/f", `${pack}/l`);
}

const source = (path: string) => JSON.stringify(`${import.meta.dir}/../../src/${path}`);
const putScript = ({ paths, pack }: Store) => `
  import { putTree } from ${source("store/put-tree.ts")};
  import { homePaths } from ${source("system/home.ts")};
  const describe = () => ({ pack_id: "demo", manifest: { pack: { id: "demo" } } });
  await putTree(homePaths(${JSON.stringify(paths.home)}), ${JSON.stringify(pack)}, describe);`;
const removeScript = ({ paths }: Store, digest: string) => `
  import { removeStoredTree } from ${source("store/remove-tree.ts")};
  import { homePaths } from ${source("system/home.ts")};
  removeStoredTree(homePaths(${JSON.stringify(paths.home)}), ${JSON.stringify(digest)});`;

/** Runs the script with a fault at the n-th call of a kind; `isHit` is false once there are no more of them. */
function runWith(
  script: string,
  fault: string,
  call: string,
  n: number,
  trace: string,
): { isHit: boolean; succeeded: boolean } {
  const inject = `inject=${call}:${fault}:when=${n}`;
  const child = Bun.spawnSync([
    "strace",
    "-f",
    "-qq",
    "-o",
    trace,
    "-e",
    `trace=${call}`,
    "-e",
    inject,
    process.execPath,
    "-e",
    script,
  ]);
  const succeeded = child.exitCode === 0;
  const isHit = fault.startsWith("signal")
    ? !succeeded
    : Bun.spawnSync(["grep", "-q", "INJECTED", trace]).success;
  return { isHit, succeeded };
}

/** What recovery does, and what must be true then. */
async function sweepAndCheck({ paths }: Store): Promise<void> {
  sweepScratch(paths.tmp);
  sweepStore(paths);
  expect(readdirSync(paths.tmp)).toEqual([]);
  expect(readdirSync(paths.store)).toHaveLength(listTrees(paths).length * 3);
}

describe.each(["signal=KILL", "error=EIO"])("%s", (fault) => {
  async function throughEveryCall(
    prepare: (store: Store) => Promise<string>,
    script: (store: Store, digest: string) => string,
    check: (store: Store, digest: string, succeeded: boolean) => Promise<void>,
  ): Promise<void> {
    let points = 0;
    for (const call of CALLS)
      for (let n = 1; n <= MAX_POINTS; n++) {
        using store = createStore();
        fill(store.pack);
        const digest = await prepare(store);
        const { isHit, succeeded } = runWith(script(store, digest), fault, call, n, `${store.path}/trace`);
        if (!isHit) break;
        points++;
        await sweepAndCheck(store);
        await check(store, digest, succeeded);
        expect((await put(store)).digest).toBe(digest);
        expect(await verifyTree(store.paths, digest, { full: true })).toEqual({ ok: true, problems: [] });
      }
    expect(points).toBeGreaterThan(4);
  }
  const digestOf = async (store: Store) => {
    const { scanTree } = await import("../../src/store/scan-tree.ts");
    return (await scanTree(store.pack)).digest;
  };
  const isWhole = async (store: Store, digest: string) =>
    (await verifyTree(store.paths, digest, { full: true })).ok;

  test.skipIf(!canTrace)(
    "staging: the tree is whole or not there",
    async () => {
      await throughEveryCall(digestOf, putScript, async (store, digest, succeeded) => {
        expect(await isWhole(store, digest)).toBe(hasTree(store.paths, digest));
        if (succeeded) expect(hasTree(store.paths, digest)).toBe(true);
      });
    },
    180_000,
  );

  test.skipIf(!canTrace)(
    "replacing a damaged tree: its place is never empty",
    async () => {
      const damaged = async (store: Store) => {
        const { digest } = await put(store);
        chmodSync(`${store.paths.tree(digest)}/d/f`, 0o644);
        writeFileSync(`${store.paths.tree(digest)}/d/f`, "CONTENT");
        return digest;
      };
      await throughEveryCall(damaged, putScript, async (store, digest, succeeded) => {
        expect(hasTree(store.paths, digest)).toBe(true);
        if (succeeded) expect(await isWhole(store, digest)).toBe(true);
      });
    },
    180_000,
  );

  test.skipIf(!canTrace)(
    "removing: the tree is whole or gone",
    async () => {
      const stored = async (store: Store) => (await put(store)).digest;
      await throughEveryCall(stored, removeScript, async (store, digest, succeeded) => {
        expect(await isWhole(store, digest)).toBe(hasTree(store.paths, digest));
        if (succeeded) expect(hasTree(store.paths, digest)).toBe(false);
      });
    },
    180_000,
  );
});

test.skipIf(!canTrace)("a file system that cannot exchange two names", async () => {
  using store = createStore();
  fill(store.pack);
  const { digest } = await put(store);
  chmodSync(store.paths.tree(digest), 0o700);
  const run = runWith(putScript(store), "error=EINVAL", "renameat2", 1, `${store.path}/trace`);
  expect(run).toEqual({ isHit: true, succeeded: true });
  expect(await verifyTree(store.paths, digest, { full: true })).toEqual({ ok: true, problems: [] });
  expect(readdirSync(store.paths.tmp)).toEqual([]);
});
