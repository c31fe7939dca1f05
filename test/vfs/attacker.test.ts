/**
 * Somebody exchanges directories, links and files for others as fast as the machine can, and mounts things over them, while
 * the VFS works on them: nothing outside is ever read, listed or changed. That the attack is a real one is shown by node:fs,
 * which is led out in no time.
 *
 * With AURORA_LONG_TESTS=1 each attack lasts ten seconds, and it is said how often things were exchanged meanwhile.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { AuroraError } from "../../src/errors.ts";
import { DiskMount } from "../../src/vfs/disk-mount.ts";
import { type Resolve, resolveByKernel, resolveByWalk } from "../../src/vfs/resolve.ts";
import { SyncVfs } from "../../src/vfs/sync-vfs.ts";
import { scratch } from "../support/aurora.ts";

const LONG_SECONDS = 10;
const isLong = Bun.env["AURORA_LONG_TESTS"] === "1";
/** In rounds of all operations: so many at least, and so many at most until each needed one has succeeded. */
const [LEAST_ROUNDS, MOST_ROUNDS] = [3, 2000];
const SECRET = "SECRET of outside";
const BATCH = 10;
const HOPELESS_MS = 50_000;
/** What an operation may fail with while things change under it. Anything else is a bug. */
const allowed = [
  "escape-refused",
  "not-found",
  "not-a-directory",
  "is-a-directory",
  "exists",
  "not-empty",
  "not-regular",
  "invalid-path",
];
/** Beside those, where something is mounted in between. */
const allowedByMounts = ["conflict", "not-supported"];

const attackers = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
static volatile sig_atomic_t stopped;
static void stop(int number) { stopped = 1; }
int main(int argc, char **argv) {
  unsigned long done = 0;
  signal(SIGTERM, stop);
  if (!strcmp(argv[1], "exchange"))
    while (!stopped) done += !syscall(SYS_renameat2, AT_FDCWD, argv[2], AT_FDCWD, argv[3], 2);
  else
    while (!stopped) {
      done += !mount(argv[3], argv[2], 0, MS_BIND, 0);
      done += !umount2(argv[2], MNT_DETACH);
    }
  while (!umount2(argv[2], MNT_DETACH));
  printf("%lu", done);
}
`;
const build = scratch();
const isCompiled = Bun.which("gcc") !== null;
const mayMount = isCompiled && process.geteuid?.() === 0 && mayMountHere();
let attack: string[] = [];

beforeAll(() => {
  if (!isCompiled) {
    const module = join(import.meta.dir, "../../src/system/exchange.ts");
    const script = `const { exchange } = await import(${JSON.stringify(module)}); const [a, b] = process.argv.slice(-2); for (;;) exchange(a, b);`;
    attack = [process.execPath, "-e", script];
    return;
  }
  writeFileSync(`${build.path}/attackers.c`, attackers);
  const made = Bun.spawnSync(["gcc", "-O2", "-o", `${build.path}/attackers`, `${build.path}/attackers.c`]);
  if (!made.success) throw new Error(made.stderr.toString());
  attack = [`${build.path}/attackers`];
});
afterAll(() => build[Symbol.dispose]());

function mayMountHere(): boolean {
  using directory = scratch();
  const isMounted = Bun.spawnSync(["mount", "--bind", directory.path, directory.path]).success;
  return isMounted && Bun.spawnSync(["umount", directory.path]).success;
}

/** Exchanges two names of a directory for each other, or mounts the second over the first and takes it away again. */
function startAttack(kind: "exchange" | "mount", cwd: string, one: string, other: string) {
  const child = Bun.spawn([...attack, kind, one, other], { cwd, stdout: "pipe", stderr: "ignore" });
  return async (): Promise<number> => {
    child.kill(isCompiled ? "SIGTERM" : "SIGKILL");
    await child.exited;
    return Number(await child.stdout.text());
  };
}

type Scene = {
  kind: "exchange" | "mount";
  /** What is exchanged for what, or has what mounted on it, from the root on. */
  exchanged: [string, string];
  /** Where the victim looks and writes. */
  victim: string;
};

const scenes: Record<string, Scene> = {
  "a directory for a link out": { kind: "exchange", exchanged: ["a/b", "trap"], victim: "a/b" },
  "a directory above it for a link out": { kind: "exchange", exchanged: ["a", "trap-above"], victim: "a/b" },
  "a file for a link out": { kind: "exchange", exchanged: ["a/b/f", "trap-file"], victim: "a/b" },
  "a directory for one that is deeper": {
    kind: "exchange",
    exchanged: ["a/b", "deep/er/still"],
    victim: "a/b/up/b",
  },
  "a directory for a file": { kind: "exchange", exchanged: ["a/b", "plain"], victim: "a/b" },
  ...(mayMount
    ? {
        "a mount over a directory": { kind: "mount", exchanged: ["a/b", "deep/er/still"], victim: "a/b" },
        "a mount on the way up": { kind: "mount", exchanged: ["a", "deep/er"], victim: "a/b/up/b" },
      }
    : {}),
};

function setUp() {
  const directory = scratch();
  const [inside, outside] = [`${directory.path}/root`, `${directory.path}/outside`];
  mkdirSync(`${outside}/b/sub`, { recursive: true });
  for (const path of ["b/f", "b/gone", "b/sub/gone", "f"]) writeFileSync(`${outside}/${path}`, SECRET);
  for (const path of [`a/b/sub`, "deep/er/still/sub"]) mkdirSync(`${inside}/${path}`, { recursive: true });
  for (const path of ["a/b/f", "deep/er/still/f", "plain"]) writeFileSync(`${inside}/${path}`, "inside");
  symlinkSync("../../outside/b", `${inside}/trap`);
  symlinkSync("../outside", `${inside}/trap-above`);
  symlinkSync("../../../outside/f", `${inside}/trap-file`);
  for (const path of ["a/b/up", "deep/er/still/up"]) symlinkSync("..", `${inside}/${path}`);
  const before = pictureOf(outside);
  return {
    inside,
    outside,
    isOutsideUntouched: () => pictureOf(outside) === before,
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

/** Everything below a directory, with content, modes and link targets. It is the test's own and nobody else's. */
function pictureOf(directory: string): string {
  return readdirSync(directory)
    .toSorted()
    .map((name) => {
      const path = `${directory}/${name}`;
      const stat = lstatSync(path);
      const content = stat.isDirectory()
        ? pictureOf(path)
        : stat.isSymbolicLink()
          ? readlinkSync(path)
          : readFileSync(path, "latin1");
      return `${name} ${stat.mode.toString(8)} ${stat.nlink > 1 && stat.isFile() ? "linked" : ""} ${content}`;
    })
    .join("\n");
}

/** All operations, as a list of what they saw. */
const operations: Record<string, (vfs: SyncVfs, at: string) => unknown> = {
  read: (vfs, at) => vfs.readText(`${at}/f`),
  stream: (vfs, at) => {
    using file = vfs.open(`${at}/f`);
    const buffer = Buffer.alloc(64);
    return buffer.toString("utf8", 0, file.read(buffer));
  },
  list: (vfs, at) => vfs.names(at).includes("gone") && SECRET,
  entries: (vfs, at) => vfs.list(at).some(({ name }) => name === "gone") && SECRET,
  stat: (vfs, at) => vfs.stat(`${at}/gone`) && SECRET,
  lstat: (vfs, at) => vfs.stat(`${at}/gone`, false) && SECRET,
  write: (vfs, at) => vfs.write(`${at}/f`, "mine"),
  "write in place": (vfs, at) => vfs.write(`${at}/f`, "mine", { isInPlace: true }),
  create: (vfs, at) => vfs.write(`${at}/fresh`, "mine", { isNew: true }),
  append: (vfs, at) => {
    using log = vfs.openLog(`${at}/f`);
    log?.write(Buffer.from("mine"));
    log?.commit();
  },
  chmod: (vfs, at) => vfs.setExecutable(`${at}/f`, true),
  mkdir: (vfs, at) => vfs.makeDirectory(`${at}/new/er`, { hasParents: true }),
  symlink: (vfs, at) => vfs.symlink("f", `${at}/link`),
  copy: (vfs, at) => vfs.copy(`${at}/f`, `${at}/copied`) && vfs.readText(`${at}/copied`),
  "copy -r": (vfs, at) => {
    vfs.remove("tree", true);
    vfs.copy(at, "tree", { isRecursive: true });
    return vfs.names("tree").includes("gone") && SECRET;
  },
  move: (vfs, at) => {
    vfs.rename(`${at}/gone`, "taken");
    return SECRET;
  },
  "move in": (vfs, at) => {
    vfs.write("own", "mine");
    vfs.rename("own", `${at}/own`);
  },
  rm: (vfs, at) => vfs.remove(`${at}/gone`),
  "rm -r": (vfs, at) => vfs.remove(`${at}/sub/gone`, true),
  "rm -r above": (vfs, at) => {
    vfs.makeDirectory(`${at}/bin/deep/er`, { hasParents: true });
    vfs.remove(`${at}/bin`, true);
  },
  walk: (vfs, at) => Array.from(vfs.walk(at), ({ entry }) => entry.name).includes("gone") && SECRET,
};

const ways: [string, Resolve][] = [
  ["by the kernel", resolveByKernel],
  ["by hand", resolveByWalk],
];

const needed = ["read", "write", "append", "list", "mkdir"];

describe.each(ways)("%s", (way, resolve) => {
  test.each(Object.entries(scenes))(
    "%s",
    async (name, { kind, exchanged: [one, other], victim }) => {
      using t = setUp();
      using vfs = new SyncVfs(new DiskMount(t.inside, { resolve }), []);
      const stopAttack = startAttack(kind, t.inside, one, other);
      const escapes: string[] = [];
      const failures = new Map<string, number>();
      const successes: Record<string, number> = {};
      const start = performance.now();
      let [rounds, swaps] = [0, 0];
      const isEnough = () =>
        isLong
          ? performance.now() - start > LONG_SECONDS * 1000
          : rounds >= LEAST_ROUNDS && needed.every((each) => successes[each]);
      try {
        for (; rounds < MOST_ROUNDS && !isEnough() && escapes.length === 0; rounds++) {
          for (const [operation, run] of Object.entries(operations))
            for (let i = 0; i < BATCH; i++) {
              const result = attempt(() => run(vfs, victim), failures, kind);
              if (String(result).includes(SECRET)) escapes.push(operation);
              if (result !== failed) successes[operation] = (successes[operation] ?? 0) + 1;
            }
          if (!t.isOutsideUntouched()) escapes.push("something outside was changed");
        }
      } finally {
        swaps = await stopAttack();
      }
      const seconds = (performance.now() - start) / 1000;
      if (isLong)
        console.log(
          `${way}, ${name}: ${rounds * BATCH * Object.keys(operations).length} operations, ${Math.round(swaps / seconds)} exchanges a second, ${escapes.length} escapes`,
        );
      expect(escapes).toEqual([]);
      expect([...failures.keys()].filter((code) => code.includes(":"))).toEqual([]);
      // The attack leaves room for work: it is not refused because everything is.
      for (const operation of needed) expect(successes[operation] ?? 0, operation).toBeGreaterThan(0);
    },
    LONG_SECONDS * 1000 + 60_000,
  );
});

test("the same attack leads node:fs out", async () => {
  using t = setUp();
  const stopAttack = startAttack("exchange", t.inside, "a/b", "trap");
  try {
    let escapes = 0;
    // The time only ends what is hopeless: it takes a few milliseconds.
    for (const end = performance.now() + HOPELESS_MS; escapes < 100 && performance.now() < end;) {
      const text = attempt(() => readFileSync(`${t.inside}/a/b/f`, "utf8"), new Map(), "exchange");
      if (text === SECRET) escapes++;
    }
    expect(escapes).toBe(100);
  } finally {
    await stopAttack();
  }
});

test("a check before the use is led out too", async () => {
  using t = setUp();
  const stopAttack = startAttack("exchange", t.inside, "a/b", "trap");
  try {
    let seen: unknown;
    for (const end = performance.now() + HOPELESS_MS; seen !== SECRET && performance.now() < end;)
      seen = attempt(
        () =>
          lstatSync(`${t.inside}/a/b`).isSymbolicLink()
            ? "refused"
            : readFileSync(`${t.inside}/a/b/f`, "utf8"),
        new Map(),
        "exchange",
      );
    expect(seen).toBe(SECRET);
  } finally {
    await stopAttack();
  }
});

const failed = Symbol("failed");

/** A failure that is not allowed is noted with its text. */
function attempt(work: () => unknown, failures: Map<string, number>, kind: Scene["kind"]): unknown {
  try {
    return work();
  } catch (thrown) {
    const { code = String(thrown), message } = thrown as { code?: string; message?: string };
    const isAllowed = allowed.includes(code) || (kind === "mount" && allowedByMounts.includes(code));
    const key = thrown instanceof AuroraError && isAllowed ? code : `${code}: ${message}`;
    failures.set(key, (failures.get(key) ?? 0) + 1);
    return failed;
  }
}
