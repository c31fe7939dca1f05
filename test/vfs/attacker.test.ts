/**
 * Somebody exchanges directories, links and files for others as fast as the machine can, while the VFS works on them: nothing
 * outside is ever read, listed or changed. That the attack is a real one is shown by node:fs, which is led out in no time.
 *
 * AURORA_ATTACK_SECONDS sets how long each attack lasts (default 1).
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

const SECONDS = Number(Bun.env["AURORA_ATTACK_SECONDS"] ?? "1");
const SECRET = "SECRET of outside";
const BATCH = 50;
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

const exchanger = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
  for (;;) syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], 2);
}
`;
const build = scratch();
let attack: string[] = [];

beforeAll(() => {
  if (Bun.which("gcc") === null) {
    const module = join(import.meta.dir, "../../src/system/exchange.ts");
    const script = `const { exchange } = await import(${JSON.stringify(module)}); const [a, b] = process.argv.slice(-2); for (;;) exchange(a, b);`;
    attack = [process.execPath, "-e", script];
    return;
  }
  writeFileSync(`${build.path}/exchanger.c`, exchanger);
  const made = Bun.spawnSync(["gcc", "-O2", "-o", `${build.path}/exchanger`, `${build.path}/exchanger.c`]);
  if (!made.success) throw new Error(made.stderr.toString());
  attack = [`${build.path}/exchanger`];
});
afterAll(() => build[Symbol.dispose]());

type Scene = {
  /** What is exchanged for what, from the root on. */
  exchanged: [string, string];
  /** Where the victim looks and writes. */
  victim: string;
};

const scenes: Record<string, Scene> = {
  "a directory for a link out": { exchanged: ["a/b", "trap"], victim: "a/b" },
  "a directory above it for a link out": { exchanged: ["a", "trap-above"], victim: "a/b" },
  "a file for a link out": { exchanged: ["a/b/f", "trap-file"], victim: "a/b" },
  "a directory for one that is deeper": { exchanged: ["a/b", "deep/er/still"], victim: "a/b/up/b" },
  "a directory for a file": { exchanged: ["a/b", "plain"], victim: "a/b" },
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

describe.each(ways)("%s", (_way, resolve) => {
  test.each(Object.entries(scenes))(
    "%s",
    (_name, { exchanged: [one, other], victim }) => {
      using t = setUp();
      using vfs = new SyncVfs(new DiskMount(t.inside, { resolve }), []);
      const attacker = Bun.spawn([...attack, one, other], {
        cwd: t.inside,
        stdout: "ignore",
        stderr: "ignore",
      });
      const escapes: string[] = [];
      const failures = new Map<string, number>();
      const successes: Record<string, number> = {};
      try {
        const end = performance.now() + SECONDS * 1000;
        while (performance.now() < end) {
          for (const [name, run] of Object.entries(operations))
            for (let i = 0; i < BATCH; i++) {
              const result = attempt(() => run(vfs, victim), failures);
              if (String(result).includes(SECRET)) escapes.push(name);
              if (result !== failed) successes[name] = (successes[name] ?? 0) + 1;
            }
          if (!t.isOutsideUntouched()) escapes.push("something outside was changed");
          if (escapes.length > 0) break;
        }
      } finally {
        attacker.kill("SIGKILL");
      }
      expect(escapes).toEqual([]);
      expect([...failures.keys()].filter((code) => !allowed.includes(code))).toEqual([]);
      // The attack leaves room for work: it is not refused because everything is.
      for (const name of ["read", "write", "append", "list", "mkdir"])
        expect(successes[name] ?? 0, name).toBeGreaterThan(0);
    },
    SECONDS * 1000 + 60_000,
  );
});

test("the same attack leads node:fs out", async () => {
  using t = setUp();
  const attacker = Bun.spawn([...attack, "a/b", "trap"], {
    cwd: t.inside,
    stdout: "ignore",
    stderr: "ignore",
  });
  try {
    let escapes = 0;
    // Ten seconds only end what is hopeless: it takes a few milliseconds.
    for (const end = performance.now() + 10_000; escapes < 100 && performance.now() < end;) {
      const text = attempt(() => readFileSync(`${t.inside}/a/b/f`, "utf8"), new Map());
      if (text === SECRET) escapes++;
    }
    expect(escapes).toBe(100);
  } finally {
    attacker.kill("SIGKILL");
    await attacker.exited;
  }
});

test("a check before the use is led out too", async () => {
  using t = setUp();
  const attacker = Bun.spawn([...attack, "a/b", "trap"], {
    cwd: t.inside,
    stdout: "ignore",
    stderr: "ignore",
  });
  try {
    let seen: unknown;
    for (const end = performance.now() + 10_000; seen !== SECRET && performance.now() < end;)
      seen = attempt(
        () =>
          lstatSync(`${t.inside}/a/b`).isSymbolicLink()
            ? "refused"
            : readFileSync(`${t.inside}/a/b/f`, "utf8"),
        new Map(),
      );
    expect(seen).toBe(SECRET);
  } finally {
    attacker.kill("SIGKILL");
    await attacker.exited;
  }
});

const failed = Symbol("failed");

function attempt(work: () => unknown, failures: Map<string, number>): unknown {
  try {
    return work();
  } catch (thrown) {
    const { code = String(thrown), message } = thrown as { code?: string; message?: string };
    const key = thrown instanceof AuroraError && allowed.includes(code) ? code : `${code}: ${message}`;
    failures.set(key, (failures.get(key) ?? 0) + 1);
    return failed;
  }
}
