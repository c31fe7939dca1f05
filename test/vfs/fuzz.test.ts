/**
 * Random operations on random trees: both ways of looking paths up on a disk, and a tree in memory that knows nothing of the
 * kernel, say the same, leave the same, and touch nothing outside. Everything is planted through the VFS itself.
 *
 * AURORA_FUZZ_SEED and AURORA_FUZZ_RUNS (default 40, with AURORA_LONG_TESTS=1 2000) choose another walk, or a longer one.
 */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

import { DiskMount } from "../../src/vfs/disk-mount.ts";
import { MemoryMount } from "../../src/vfs/memory-mount.ts";
import { resolveByKernel, resolveByWalk } from "../../src/vfs/resolve.ts";
import { SyncVfs } from "../../src/vfs/sync-vfs.ts";
import { scratch } from "../support/aurora.ts";
import { choicesFrom } from "../support/random.ts";

const SEED = Number(Bun.env["AURORA_FUZZ_SEED"] ?? "1");
const isLong = Bun.env["AURORA_LONG_TESTS"] === "1";
const RUNS = Number(Bun.env["AURORA_FUZZ_RUNS"] ?? (isLong ? "2000" : "40"));
const STEPS = 60;
const SECRET = "what is outside";

type Random = ReturnType<typeof choicesFrom>;

const names = ["a", "b", "c", "é", "x..y", "..."];

function randomPath(random: Random): string {
  const parts = Array.from({ length: 1 + random.below(4) }, () =>
    random.next() < 0.12 ? random.pick(["..", ".", ""]) : random.pick(names),
  );
  const path = (random.next() < 0.3 ? "/" : "") + parts.join("/") + (random.next() < 0.12 ? "/" : "");
  return path === "" ? "a" : path;
}

/** Also such as lead out, nowhere or in a circle. */
function randomTarget(random: Random): string {
  if (random.next() < 0.08) return random.pick(["/", "/a", "/etc/passwd", "/proc/self/root"]);
  const parts = Array.from({ length: 1 + random.below(3) }, () =>
    random.next() < 0.35 ? random.pick(["..", "..", "."]) : random.pick(names),
  );
  return parts.join("/") + (random.next() < 0.15 ? random.pick(["/", "/."]) : "");
}

type Operation = {
  name: string;
  run: (vfs: SyncVfs, plant: (target: string, path: string) => void) => unknown;
};

function randomOperation(random: Random): Operation {
  const [path, other] = [randomPath(random), randomPath(random)];
  const [flag, text] = [random.next() < 0.5, `text ${random.below(1000)}`];
  const target = randomTarget(random);
  const operations: Record<string, Operation["run"]> = {
    read: (vfs) => vfs.readText(path),
    write: (vfs) => vfs.write(path, text, { isNew: flag }),
    parents: (vfs) => vfs.write(path, text, { hasParents: true }),
    place: (vfs) => vfs.write(path, text, { isInPlace: true }),
    append: (vfs) => {
      using log = vfs.openLog(path, { hasParents: flag });
      log?.write(Buffer.from(text));
      log?.commit();
    },
    list: (vfs) => vfs.list(path).map(({ name, type, sizeBytes }) => [name, type, sizeBytes]),
    names: (vfs) => vfs.names(path).toSorted(),
    stat: (vfs) => shown(vfs, path, flag),
    mkdir: (vfs) => vfs.makeDirectory(path, { hasParents: flag }),
    mkdirs: (vfs) => vfs.makeDirectory(path, { hasParents: true }),
    remove: (vfs) => vfs.remove(path, flag),
    rename: (vfs) => vfs.rename(path, other, { isNew: flag }),
    copy: (vfs) => vfs.copy(path, other, { isRecursive: flag, isNew: random.next() < 0 }),
    symlink: (vfs) => vfs.symlink(target, path),
    plant: (_vfs, plant) => plant(target, path),
    readlink: (vfs) => vfs.readLink(path),
    chmod: (vfs) => vfs.setExecutable(path, flag),
    walk: (vfs) => Array.from(vfs.walk(path), ({ relative, entry }) => [relative, entry.type]),
  };
  const name = random.pick(Object.keys(operations));
  return {
    name: `${name} ${JSON.stringify([path, other, flag, target])}`,
    run: operations[name] as Operation["run"],
  };
}

function shown(vfs: SyncVfs, path: string, isFollowing: boolean) {
  const { name, type, sizeBytes, mode } = vfs.stat(path, isFollowing);
  return [name, type, sizeBytes, type === "file" ? mode : 0];
}

/** What an operation said: its result, or the code and the text of its error. */
function saidBy(work: () => unknown): string {
  try {
    return JSON.stringify(work()) ?? "done";
  } catch (thrown) {
    const { name, code, message } = thrown as { name: string; code: string; message: string };
    if (name !== "AuroraError") throw thrown;
    return `${code}: ${message}`;
  }
}

/** All there is: names, kinds, contents, targets. */
function picture(vfs: SyncVfs): string[] {
  return Array.from(vfs.walk("/"), ({ path, entry }) => {
    const { shown: at } = path;
    const content =
      entry.type === "file" ? vfs.readText(at) : entry.type === "symlink" ? vfs.readLink(at) : "";
    return `${at} ${entry.type} ${entry.type === "file" ? entry.mode.toString(8) : ""} ${content}`;
  });
}

test(`seed ${SEED}: the kernel's look-up, the one by hand and memory agree`, () => {
  let refused = 0;
  let done = 0;
  for (let run = 0; run < RUNS; run++) {
    using directory = scratch();
    const outside = `${directory.path}/outside`;
    mkdirSync(`${outside}/a`, { recursive: true });
    for (const path of ["b", "a/b"]) writeFileSync(`${outside}/${path}`, SECRET);
    for (const path of ["kernel", "hand"]) mkdirSync(`${directory.path}/${path}`);
    const mounts = [
      new DiskMount(`${directory.path}/kernel`, { resolve: resolveByKernel }),
      new DiskMount(`${directory.path}/hand`, { resolve: resolveByWalk }),
      new MemoryMount(10_000_000),
    ];
    const all = mounts.map((mount) => new SyncVfs(mount, []));
    const plants = mounts.map(
      (mount) => (target: string, path: string) =>
        // By-passes the check of the target, as a pack's own script would.
        mount.symlink(target, { shown: `/${path}`, relative: plainPath(path), isDirectory: false }, false),
    );
    const random = choicesFrom(SEED * 1_000_003 + run);
    const history: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      const operation = randomOperation(random);
      history.push(operation.name);
      const said = all.map((vfs, i) =>
        saidBy(() => operation.run(vfs, plants[i] as (typeof plants)[number])),
      );
      const [first = ""] = said;
      if (said.some((each) => each !== first)) throw new Error(disagreement(run, history, said));
      if (first.startsWith("escape-refused")) refused++;
      expect(first).not.toContain(SECRET);
      done++;
    }
    const pictures = all.map(picture);
    expect(pictures[1], `run ${run}`).toEqual(pictures[0] as string[]);
    expect(pictures[2], `run ${run}`).toEqual(pictures[0] as string[]);
    expect(readdirSync(outside).toSorted()).toEqual(["a", "b"]);
    expect(readFileSync(`${outside}/a/b`, "utf8") + readFileSync(`${outside}/b`, "utf8")).toBe(
      SECRET + SECRET,
    );
    for (const vfs of all) vfs[Symbol.dispose]();
  }
  expect(done).toBe(RUNS * STEPS);
  expect(refused).toBeGreaterThan(RUNS);
}, 1_200_000);

function plainPath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== "." && part !== "..");
  return parts.join("/") || "a";
}

function disagreement(run: number, history: readonly string[], said: readonly string[]): string {
  const [kernel, hand, memory] = said;
  return `run ${run} of seed ${SEED}: after ${history.join(", ")}\nkernel: ${kernel}\nhand:   ${hand}\nmemory: ${memory}`;
}
