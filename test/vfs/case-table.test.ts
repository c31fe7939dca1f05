/**
 * Every operation on everything that can be at a path, spelled in several ways, on both ways of looking paths up, in memory,
 * and by way of each kind of mount: what a path is decides, not how it is written, found or mounted.
 */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { basename, join } from "node:path";

import { DiskMount } from "../../src/vfs/disk-mount.ts";
import { MemoryMount } from "../../src/vfs/memory-mount.ts";
import { type MountSpec } from "../../src/vfs/mount-table.ts";
import { type Resolve, resolveByKernel, resolveByWalk } from "../../src/vfs/resolve.ts";
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

/** @param at a name beside it */
const operations: Record<string, (vfs: SyncVfs, path: string, at: (name: string) => string) => unknown> = {
  read: (vfs, path) => vfs.readText(path),
  write: (vfs, path) => vfs.write(path, "new"),
  place: (vfs, path) => vfs.write(path, "new", { isInPlace: true }),
  append: (vfs, path) => {
    using log = vfs.openLog(path);
    log?.write(Buffer.from("new"));
    log?.commit();
  },
  stream: (vfs, path) => {
    using pending = vfs.create(path);
    pending.write(Buffer.from("new"));
    pending.commit();
  },
  create: (vfs, path) => vfs.write(path, "new", { isNew: true }),
  mkdir: (vfs, path) => vfs.makeDirectory(path),
  "mkdir -p": (vfs, path) => vfs.makeDirectory(path, { hasParents: true }),
  list: (vfs, path) => vfs.list(path).map(({ name }) => name),
  walk: (vfs, path) => Array.from(vfs.walk(path), ({ relative }) => relative),
  stat: (vfs, path) => vfs.stat(path),
  lstat: (vfs, path) => vfs.stat(path, false),
  rm: (vfs, path) => vfs.remove(path),
  "rm -r": (vfs, path) => vfs.remove(path, true),
  move: (vfs, path, at) => vfs.rename(path, at("moved")),
  onto: (vfs, path, at) => vfs.rename(at("file"), path, { isNew: true }),
  over: (vfs, path, at) => vfs.rename(at("file"), path),
  copy: (vfs, path, at) => vfs.copy(path, at("copied")),
  "copy -r": (vfs, path, at) => vfs.copy(path, at("copied"), { isRecursive: true }),
  "copy to": (vfs, path, at) => vfs.copy(at("file"), path),
  readlink: (vfs, path) => vfs.readLink(path),
  link: (vfs, path) => vfs.symlink("file", path),
  chmod: (vfs, path) => vfs.setExecutable(path, true),
};

/** One line for each kind of thing, one column for each operation. A star: only on a disk. */
const table = `
                    read write place append stream create mkdir -p   list walk stat lstat rm   -r   move onto over copy cp-r cp-to readlink link chmod
file                ok   ok    ok    ok     ok     ex     ex    nd   nd   nd   ok   ok    ok   ok   ok   ex   ok   ok   ok   ok    ip       ex   ok
d                   isd  isd   isd   isd    isd    ex     ex    ok   ok   ok   ok   ok    ne   ok   ok   ex   isd  isd  er   isd   ip       ex   isd
empty               isd  isd   isd   isd    isd    ex     ex    ok   ok   ok   ok   ok    ok   ok   ok   ex   isd  isd  ok   isd   ip       ex   isd
link-file           ok   ok    ok    ok     ok     ex     ex    nd   nd   nd   ok   ok    ok   ok   ok   ex   ok   ok   ok   ok    ok       ex   ok
link-dir            isd  isd   isd   isd    isd    ex     ex    ok   ok   ok   ok   ok    ok   ok   ok   ex   ok   isd  ok   isd   ok       ex   isd
chain               ok   ok    ok    ok     ok     ex     ex    nd   nd   nd   ok   ok    ok   ok   ok   ex   ok   ok   ok   ok    ok       ex   ok
root                isd  isd   isd   isd    isd    ex     ex    ok   ok   ok   ok   ok    ok   ok   ok   ex   ok   isd  ok   isd   ok       ex   isd
out-file            er   er    er    er     er     ex     ex    er   er   er   er   ok    ok   ok   ok   ex   ok   er   er   er    ok       ex   er
out-dir             er   er    er    er     er     ex     ex    er   er   er   er   ok    ok   ok   ok   ex   ok   er   er   er    ok       ex   er
through-dots        er   er    er    er     er     ex     ex    er   er   er   er   ok    ok   ok   ok   ex   ok   er   er   er    ok       ex   er
chain-out           er   er    er    er     er     ex     ex    er   er   er   er   ok    ok   ok   ok   ex   ok   er   ok   er    ok       ex   er
absolute            er   er    er    er     er     ex     ex    er   er   er   er   ok    ok   ok   ok   ex   ok   er   er   er    ok       ex   er
absolute-back       er   er    er    er     er     ex     ex    er   er   er   er   ok    ok   ok   ok   ex   ok   er   er   er    ok       ex   er
proc-root           er   er    er    er     er     ex     ex    er   er   er   er   ok    ok   ok   ok   ex   ok   er   er   er    ok       ex   er
loop                er   er    er    er     er     ex     ex    er   er   er   er   ok    ok   ok   ok   ex   ok   er   ok   er    ok       ex   er
loop-a              er   er    er    er     er     ex     ex    er   er   er   er   ok    ok   ok   ok   ex   ok   er   ok   er    ok       ex   er
dangling            nf   ok    ok    ok     ok     ex     ex    nf   nf   nf   nf   ok    ok   ok   ok   ex   ok   nf   ok   ok    ok       ex   nf
dangling-deep       nf   nf    nf    nf     nf     ex     ex    nf   nf   nf   nf   ok    ok   ok   ok   ex   ok   nf   ok   nf    ok       ex   nf
*fifo               nr   nr    nr    nr     nr     ex     ex    nd   nd   nd   ok   ok    ok   ok   ok   ex   ok   nr   nr   nr    ip       ex   nr
*socket             nr   nr    nr    nr     nr     ex     ex    nd   nd   nd   ok   ok    ok   ok   ok   ex   ok   nr   nr   nr    ip       ex   nr
*hard-in            ok   ok    ok    ok     ok     ex     ex    nd   nd   nd   ok   ok    ok   ok   ok   ex   ok   ok   ok   ok    ip       ex   ok
*hard-out           er   ok    er    er     ok     ex     ex    nd   nd   nd   ok   ok    ok   ok   ok   ex   ok   er   er   ok    ip       ex   er
absent              nf   ok    ok    ok     ok     ok     ok    ok   nf   nf   nf   nf    nf   nf   nf   ok   ok   nf   nf   ok    nf       ok   nf
nothing/x           nf   nf    nf    nf     nf     nf     nf    ok   nf   nf   nf   nf    nf   nf   nf   nf   nf   nf   nf   nf    nf       nf   nf
file/x              nd   nd    nd    nd     nd     nd     nd    nd   nd   nd   nd   nd    nd   nd   nd   nd   nd   nd   nd   nd    nd       nd   nd
link-file/x         nd   nd    nd    nd     nd     nd     nd    nd   nd   nd   nd   nd    nd   nd   nd   nd   nd   nd   nd   nd    nd       nd   nd
out-dir/secret      er   er    er    er     er     er     er    er   er   er   er   er    er   er   er   er   er   er   er   er    er       er   er
out-dir/absent      er   er    er    er     er     er     er    er   er   er   er   er    er   er   er   er   er   er   er   er    er       er   er
d/up-and-out/secret er   er    er    er     er     er     er    er   er   er   er   er    er   er   er   er   er   er   er   er    er       er   er
loop/x              er   er    er    er     er     er     er    er   er   er   er   er    er   er   er   er   er   er   er   er    er       er   er
link-dir/deep       ok   ok    ok    ok     ok     ex     ex    nd   nd   nd   ok   ok    ok   ok   ok   ex   ok   ok   ok   ok    ip       ex   ok
root/root/file      ok   ok    ok    ok     ok     ex     ex    nd   nd   nd   ok   ok    ok   ok   ok   ex   ok   ok   ok   ok    ip       ex   ok
file/               nd   isd   isd   isd    isd    isd    ex    nd   nd   nd   nd   nd    nd   nd   nd   nd   nd   nd   nd   isd   ip       ex   nd
d/                  isd  isd   isd   isd    isd    isd    ex    ok   ok   ok   ok   ok    ne   ok   ok   nd   nd   isd  er   isd   ip       ex   isd
d/.                 isd  isd   isd   isd    isd    isd    ex    ok   ok   ok   ok   ok    ne   ok   ok   nd   nd   isd  er   isd   ip       ex   isd
link-dir/           isd  isd   isd   isd    isd    isd    ex    ok   ok   ok   ok   ok    nd   nd   nd   nd   nd   isd  er   isd   ip       ex   isd
link-file/          nd   isd   isd   isd    isd    isd    ex    nd   nd   nd   nd   nd    nd   nd   nd   nd   nd   nd   nd   isd   ip       ex   nd
out-dir/            er   isd   isd   isd    isd    isd    ex    er   er   er   er   er    nd   nd   nd   nd   nd   er   er   isd   ip       ex   er
absent/             nf   isd   isd   isd    isd    isd    ok    ok   nf   nf   nf   nf    nf   nf   nf   nd   nd   nf   nf   isd   nf       ok   nf
/                   isd  isd   isd   isd    isd    isd    ex    ok   ok   ok   ok   ok    ip   ip   ip   ip   ip   isd  ip   isd   isd      isd  isd
../file             er   er    er    er     er     er     er    er   er   er   er   er    er   er   er   er   er   er   er   er    er       er   er
d/../../file        er   er    er    er     er     er     er    er   er   er   er   er    er   er   er   er   er   er   er   er    er       er   er
`
  .trim()
  .split("\n")
  .map((line) => line.trim().split(/\s+/));

/** Those that change nothing. */
const looks = ["read", "list", "walk", "stat", "lstat", "readlink"];
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

/** The kernel's way is tried on a disk; all others in memory where there is some, since each row makes some thirty names ten times. */
const memory = existsSync("/dev/shm") ? "/dev/shm" : undefined;

type Kind = { open: (inside: string) => SyncVfs; isDisk: boolean; parent?: string | undefined };

const kinds: [name: string, kind: Kind][] = [
  ["by the kernel", { open: (inside) => onDisk(inside, resolveByKernel), isDisk: true }],
  ["by hand", { open: (inside) => onDisk(inside, resolveByWalk), isDisk: true, parent: memory }],
  ["in memory", { open: inMemory, isDisk: false, parent: memory }],
];

function onDisk(inside: string, resolve: Resolve): SyncVfs {
  return new SyncVfs(new DiskMount(inside, { resolve }), []);
}

describe.each(kinds)("%s", (_kind, { open, isDisk, parent }) => {
  describe.each(
    rows.filter(({ isDiskOnly }) => isDisk || !isDiskOnly).map((row) => [row.path, row] as const),
  )("%s", (path, { cells }) => {
    test.each(spellings)("%s", async (_name, spell) => {
      const seen = await codesAt({ open, parent, path, spell, beside: (name) => name });
      expect(shown(seen)).toEqual(shown(cells.map((cell) => codes[cell] as string)));
    });
  });
});

/** Below "/m", and nothing but memory around it. */
const mounted: [name: string, spec: (inside: string) => MountSpec][] = [
  ["host", (directory) => ({ path: "/m", kind: "host", directory, mode: "rw" })],
  ["data", (inside) => dataSpec(inside, "rw")],
  ["memory", (directory) => ({ path: "/m", kind: "memory", sizeBytes: 1e9, directory })],
  ["host, read-only", (directory) => ({ path: "/m", kind: "host", directory, mode: "ro" })],
  ["data, read-only", (inside) => dataSpec(inside, "ro")],
  ["pack", (directory) => ({ path: "/m", kind: "pack", directory })],
];

/** A part of a whole, to which what is outside of that part belongs. */
function dataSpec(inside: string, mode: "ro" | "rw"): MountSpec {
  return { path: "/m", kind: "data", directory: join(inside, ".."), subPath: `/${basename(inside)}`, mode };
}

const below = rows
  .filter(({ path }) => path !== "/" && !path.includes(".."))
  .map((row) => [row.path, row] as const);

describe.each(mounted)("mounted: %s", (kind, spec) => {
  const open = (inside: string) => new SyncVfs(new MemoryMount(1_000_000), [spec(inside)]);
  const isReadOnly = /read-only|pack/.test(kind);
  // Nobody can write to these through here: what files in them share with others is their owner's business.
  const isHardLinkFine = kind === "host, read-only" || kind === "pack";

  test.each(below.filter(([path]) => !isHardLinkFine || path !== "hard-out"))(
    "%s",
    async (path, { cells }) => {
      const at = (name: string) => `/m/${name}`;
      const seen = await codesAt({ open, parent: memory, path, spell: at, beside: at });
      const expected = names.map((name, i) => {
        const code = codes[cells[i] as string] as string;
        if (!isReadOnly || looks.includes(name)) return code;
        // What is not there, or is no file, cannot be copied anywhere.
        return name.startsWith("copy") && seen[i] === code && code !== "ok" ? code : "read-only";
      });
      expect(shown(seen)).toEqual(shown(expected));
    },
  );

  const crossing = ["move", "onto", "over", "copy", "copy -r", "copy to"];

  // Nothing is moved out of what cannot be changed.
  if (isReadOnly) return;
  test.each(below)("%s, to and from another mount", async (path, { cells }) => {
    const way = {
      open,
      parent: memory,
      path,
      spell: (name: string) => `/m/${name}`,
      beside: (name: string) => `/${name}`,
    };
    const seen = await codesAt(way, crossing);
    // What a copy refuses to take along cannot be moved either: what is outside, links out, and what is no file.
    const stays = "hard-out d d/ d/. out-file out-dir through-dots absolute absolute-back proc-root".split(
      " ",
    );
    const refused = ["fifo", "socket"].includes(path)
      ? "not-regular"
      : stays.includes(path)
        ? "escape-refused"
        : null;
    const expected = crossing.map((name) =>
      name === "move" && refused ? refused : (codes[cells[names.indexOf(name)] as string] as string),
    );
    expect(shown(seen, crossing)).toEqual(shown(expected, crossing));
  });
});

type Way = {
  open: (inside: string) => SyncVfs;
  /** Where the directory is: on a disk by default. */
  parent?: string | undefined;
  path: string;
  spell: (path: string) => string;
  beside: (name: string) => string;
};

/** What each operation says of a path. What is outside is never shown or changed. */
async function codesAt({ open, parent, path, spell, beside }: Way, which = names): Promise<string[]> {
  const seen: string[] = [];
  let t = setUp(open, path, parent);
  try {
    for (const name of which) {
      const results: unknown[] = [];
      const run = operations[name] as (typeof operations)[string];
      if (!t.vfs.statIfThere(beside("file"))) t.vfs.write(beside("file"), "inside");
      const code = await codeOf(() => results.push(run(t.vfs, spell(path), beside)));
      seen.push(code);
      expect(JSON.stringify(results), `${name}: outside is shown`).not.toContain(SECRET);
      expect(t.isOutsideUntouched(), `${name}: outside is changed`).toBe(true);
      if (code !== "ok" || looks.includes(name)) continue;
      // It changed something, so the next operation gets everything anew.
      t[Symbol.dispose]();
      t = setUp(open, path, parent);
    }
  } finally {
    t[Symbol.dispose]();
  }
  return seen;
}

function shown(list: readonly string[], which = names): string[] {
  return which.map((name, i) => `${name}: ${list[i]}`);
}

function setUp(open: (inside: string) => SyncVfs, path: string, parent: string | undefined) {
  const root = plantedRoot(parent);
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
