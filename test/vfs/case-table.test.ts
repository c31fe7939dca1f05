/**
 * Every operation on everything that can be at a path, spelled in several ways, on both ways of looking paths up and on a
 * memory mount: what a path is decides, not how it is written or found.
 */
import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";

import { DiskMount } from "../../src/vfs/disk-mount.ts";
import { MemoryMount } from "../../src/vfs/memory-mount.ts";
import { resolveByKernel, resolveByWalk } from "../../src/vfs/resolve.ts";
import { SyncVfs } from "../../src/vfs/sync-vfs.ts";
import { codeOf, plantedLinks, plantedRoot, SECRET } from "../support/planted-root.ts";

const codes: Record<string, string> = {
  ok: "ok",
  nf: "not-found",
  ex: "exists",
  ne: "not-empty",
  isd: "is-a-directory",
  nd: "not-a-directory",
  nr: "not-regular",
  ip: "invalid-path",
  er: "escape-refused",
};

const operations: Record<string, (vfs: SyncVfs, path: string) => unknown> = {
  read: (vfs, path) => vfs.readText(path),
  write: (vfs, path) => vfs.write(path, "new"),
  place: (vfs, path) => vfs.write(path, "new", { isInPlace: true }),
  append: (vfs, path) => {
    using log = vfs.openLog(path);
    log?.write(Buffer.from("new"));
    log?.commit();
  },
  create: (vfs, path) => vfs.write(path, "new", { isNew: true }),
  mkdir: (vfs, path) => vfs.makeDirectory(path),
  "mkdir -p": (vfs, path) => vfs.makeDirectory(path, { hasParents: true }),
  list: (vfs, path) => vfs.list(path).map(({ name }) => name),
  stat: (vfs, path) => vfs.stat(path),
  lstat: (vfs, path) => vfs.stat(path, false),
  rm: (vfs, path) => vfs.remove(path),
  "rm -r": (vfs, path) => vfs.remove(path, true),
  move: (vfs, path) => vfs.rename(path, "moved"),
  onto: (vfs, path) => vfs.rename("file", path, { isNew: true }),
  readlink: (vfs, path) => vfs.readLink(path),
  link: (vfs, path) => vfs.symlink("file", path),
  chmod: (vfs, path) => vfs.setExecutable(path, true),
};

/** One line for each kind of thing, one column for each operation. A star: only on a disk. */
const table = `
                read write place append create mkdir -p  list stat lstat rm  -r  move onto readlink link chmod
file            ok   ok    ok    ok     ex     ex    nd  nd   ok   ok    ok  ok  ok   ex   ip       ex   ok
d               isd  isd   isd   isd    ex     ex    ok  ok   ok   ok    ne  ok  ok   ex   ip       ex   isd
empty           isd  isd   isd   isd    ex     ex    ok  ok   ok   ok    ok  ok  ok   ex   ip       ex   isd
link-file       ok   ok    ok    ok     ex     ex    nd  nd   ok   ok    ok  ok  ok   ex   ok       ex   ok
link-dir        isd  isd   isd   isd    ex     ex    ok  ok   ok   ok    ok  ok  ok   ex   ok       ex   isd
chain           ok   ok    ok    ok     ex     ex    nd  nd   ok   ok    ok  ok  ok   ex   ok       ex   ok
root            isd  isd   isd   isd    ex     ex    ok  ok   ok   ok    ok  ok  ok   ex   ok       ex   isd
out-file        er   er    er    er     ex     ex    er  er   er   ok    ok  ok  ok   ex   ok       ex   er
out-dir         er   er    er    er     ex     ex    er  er   er   ok    ok  ok  ok   ex   ok       ex   er
through-dots    er   er    er    er     ex     ex    er  er   er   ok    ok  ok  ok   ex   ok       ex   er
chain-out       er   er    er    er     ex     ex    er  er   er   ok    ok  ok  ok   ex   ok       ex   er
absolute        er   er    er    er     ex     ex    er  er   er   ok    ok  ok  ok   ex   ok       ex   er
absolute-back   er   er    er    er     ex     ex    er  er   er   ok    ok  ok  ok   ex   ok       ex   er
proc-root       er   er    er    er     ex     ex    er  er   er   ok    ok  ok  ok   ex   ok       ex   er
loop            er   er    er    er     ex     ex    er  er   er   ok    ok  ok  ok   ex   ok       ex   er
loop-a          er   er    er    er     ex     ex    er  er   er   ok    ok  ok  ok   ex   ok       ex   er
dangling        nf   ok    ok    ok     ex     ex    nf  nf   nf   ok    ok  ok  ok   ex   ok       ex   nf
dangling-deep   nf   nf    nf    nf     ex     ex    nf  nf   nf   ok    ok  ok  ok   ex   ok       ex   nf
*fifo           nr   nr    nr    nr     ex     ex    nd  nd   ok   ok    ok  ok  ok   ex   ip       ex   nr
*socket         nr   nr    nr    nr     ex     ex    nd  nd   ok   ok    ok  ok  ok   ex   ip       ex   nr
*hard-in        ok   ok    ok    ok     ex     ex    nd  nd   ok   ok    ok  ok  ok   ex   ip       ex   ok
*hard-out       er   ok    er    er     ex     ex    nd  nd   ok   ok    ok  ok  ok   ex   ip       ex   er
absent          nf   ok    ok    ok     ok     ok    ok  nf   nf   nf    nf  nf  nf   ok   nf       ok   nf
nothing/x       nf   nf    nf    nf     nf     nf    ok  nf   nf   nf    nf  nf  nf   nf   nf       nf   nf
file/x          nd   nd    nd    nd     nd     nd    nd  nd   nd   nd    nd  nd  nd   nd   nd       nd   nd
link-file/x     nd   nd    nd    nd     nd     nd    nd  nd   nd   nd    nd  nd  nd   nd   nd       nd   nd
out-dir/secret  er   er    er    er     er     er    er  er   er   er    er  er  er   er   er       er   er
out-dir/absent  er   er    er    er     er     er    er  er   er   er    er  er  er   er   er       er   er
d/up-and-out/secret er er  er    er     er     er    er  er   er   er    er  er  er   er   er       er   er
loop/x          er   er    er    er     er     er    er  er   er   er    er  er  er   er   er       er   er
link-dir/deep   ok   ok    ok    ok     ex     ex    nd  nd   ok   ok    ok  ok  ok   ex   ip       ex   ok
root/root/file  ok   ok    ok    ok     ex     ex    nd  nd   ok   ok    ok  ok  ok   ex   ip       ex   ok
file/           nd   isd   isd   isd    isd    ex    nd  nd   nd   nd    nd  nd  nd   nd   ip       ex   nd
d/              isd  isd   isd   isd    isd    ex    ok  ok   ok   ok    ne  ok  ok   nd   ip       ex   isd
d/.             isd  isd   isd   isd    isd    ex    ok  ok   ok   ok    ne  ok  ok   nd   ip       ex   isd
link-dir/       isd  isd   isd   isd    isd    ex    ok  ok   ok   ok    nd  nd  nd   nd   ip       ex   isd
link-file/      nd   isd   isd   isd    isd    ex    nd  nd   nd   nd    nd  nd  nd   nd   ip       ex   nd
out-dir/        er   isd   isd   isd    isd    ex    er  er   er   er    nd  nd  nd   nd   ip       ex   er
absent/         nf   isd   isd   isd    isd    ok    ok  nf   nf   nf    nf  nf  nf   nd   nf       ok   nf
/               isd  isd   isd   isd    isd    ex    ok  ok   ok   ok    ip  ip  ip   ip   isd      isd  isd
../file         er   er    er    er     er     er    er  er   er   er    er  er  er   er   er       er   er
d/../../file    er   er    er    er     er     er    er  er   er   er    er  er  er   er   er       er   er
`
  .trim()
  .split("\n")
  .map((line) => line.trim().split(/\s+/));

/** Those that change nothing. */
const looks = ["read", "list", "stat", "lstat", "readlink"];
const names = Object.keys(operations);
const rows = table
  .slice(1)
  .map(([what = "", ...cells]) => ({ path: what.replace("*", ""), isDiskOnly: what.startsWith("*"), cells }));

test("the table is whole", () => {
  expect(rows.filter(({ cells }) => cells.length !== names.length)).toEqual([]);
});

/** The same path in other words. */
const spellings: [name: string, spell: (path: string) => string][] = [
  ["as it is", (path) => path],
  ["from the root", (path) => `/${path}`],
  ["with dots and slashes", (path) => `.//./${path}`],
  ["by way of what is not there", (path) => `no-such/../d/../${path}`],
];

const kinds: [name: string, open: (inside: string) => SyncVfs, isDisk: boolean][] = [
  ["by the kernel", (inside) => new SyncVfs(new DiskMount(inside, { resolve: resolveByKernel }), []), true],
  ["by hand", (inside) => new SyncVfs(new DiskMount(inside, { resolve: resolveByWalk }), []), true],
  ["in memory", inMemory, false],
];

describe.each(kinds)("%s", (_kind, open, isDisk) => {
  describe.each(
    rows.filter(({ isDiskOnly }) => isDisk || !isDiskOnly).map((row) => [row.path, row] as const),
  )("%s", (path, { cells }) => {
    test.each(spellings)("%s", async (_name, spell) => {
      const seen: string[] = [];
      let t = setUp(open, path);
      try {
        for (const name of names) {
          const results: unknown[] = [];
          const run = operations[name] as (typeof operations)[string];
          const code = await codeOf(() => results.push(run(t.vfs, spell(path))));
          seen.push(code);
          expect(JSON.stringify(results), `${name}: outside is shown`).not.toContain(SECRET);
          expect(t.isOutsideUntouched(), `${name}: outside is changed`).toBe(true);
          if (code !== "ok" || looks.includes(name)) continue;
          // It changed something, so the next operation gets everything anew.
          t[Symbol.dispose]();
          t = setUp(open, path);
        }
      } finally {
        t[Symbol.dispose]();
      }
      const shown = (list: readonly string[]) => names.map((name, i) => `${name}: ${list[i]}`);
      expect(shown(seen)).toEqual(shown(cells.map((cell) => codes[cell] as string)));
    });
  });
});

function setUp(open: (inside: string) => SyncVfs, path: string) {
  const root = plantedRoot();
  if (path === "fifo") Bun.spawnSync(["mkfifo", `${root.inside}/fifo`]);
  const server = path === "socket" ? createServer().listen(`${root.inside}/socket`) : undefined;
  const vfs = open(root.inside);
  return {
    vfs,
    isOutsideUntouched: root.isOutsideUntouched,
    [Symbol.dispose]: () => {
      server?.close();
      vfs[Symbol.dispose]();
      root[Symbol.dispose]();
    },
  };
}

/** What `plantedRoot` plants, as far as memory can hold it. */
function inMemory(): SyncVfs {
  const mount = new MemoryMount(1_000_000);
  const vfs = new SyncVfs(mount, []);
  for (const path of ["d/e", "empty"]) vfs.makeDirectory(path, { hasParents: true });
  vfs.write("file", "inside");
  vfs.write("d/deep", "deep");
  const at = (path: string) => ({ shown: `/${path}`, relative: path, isDirectory: false });
  for (const [path, target] of Object.entries({
    ...plantedLinks,
    absolute: "/outside/secret",
    "absolute-back": "/file",
  }))
    mount.symlink(target, at(path));
  return vfs;
}
