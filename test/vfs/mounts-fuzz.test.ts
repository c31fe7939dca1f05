/**
 * Random operations on a namespace with mounts in mounts, some of which nobody may write to: on a disk and in memory it says and
 * leaves what a plain map of paths does. Links are not in it: `fuzz.test.ts` has those.
 *
 * AURORA_FUZZ_SEED and AURORA_FUZZ_RUNS choose another walk, or a longer one.
 */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";

import { DiskMount } from "../../src/vfs/disk-mount.ts";
import { MemoryMount } from "../../src/vfs/memory-mount.ts";
import { type MountSpec } from "../../src/vfs/mount-table.ts";
import { SyncVfs } from "../../src/vfs/sync-vfs.ts";
import { scratch } from "../support/aurora.ts";
import { choicesFrom } from "../support/random.ts";

const SEED = Number(Bun.env["AURORA_FUZZ_SEED"] ?? "1");
const isLong = Bun.env["AURORA_LONG_TESTS"] === "1";
const RUNS = Number(Bun.env["AURORA_FUZZ_RUNS"] ?? (isLong ? "2000" : "40"));
const STEPS = 80;

/** What is mounted, and whether it may be written to. "/b" holds a mount and is a directory of the root. */
const MOUNTS: Record<string, "rw" | "ro"> = {
  "/a": "rw",
  "/a/c/b": "rw",
  "/b/c": "rw",
  "/c": "ro",
  "/c/a": "rw",
};
const names = ["a", "b", "c"];

class Refused extends Error {}

function refuse(code: string): never {
  throw new Refused(code);
}

/** A file's content, or undefined for a directory. */
type Content = string | undefined;

/** What a namespace is, without any file system: a map from each path to what is there. */
class Model {
  readonly entries = new Map<string, Content>([
    ["/", undefined],
    ["/b", undefined],
    ["/a/c", undefined],
    ...Object.keys(MOUNTS).map((path) => [path, undefined] as const),
    ["/c/f", "given"],
    ["/c/b", undefined],
    ["/c/b/f", "given too"],
  ]);

  has(path: string): boolean {
    return this.entries.has(path);
  }

  isDirectory(path: string): boolean {
    return this.has(path) && this.entries.get(path) === undefined;
  }

  below(path: string): string[] {
    return [...this.entries.keys()].filter((each) => isBelow(each, path));
  }

  /** Refuses what is on no way from the root. */
  find(path: string): void {
    for (const above of aboveOf(path)) {
      if (!this.has(above)) refuse("not-found");
      if (!this.isDirectory(above)) refuse("not-a-directory");
    }
  }

  existing(path: string): void {
    this.find(path);
    if (!this.has(path)) refuse("not-found");
  }

  writable(path: string): void {
    if (MOUNTS[mountOf(path)] === "ro") refuse("read-only");
  }

  movable(path: string): void {
    if (path === "/") refuse("invalid-path");
    if (holdsMount(path)) refuse("conflict");
    this.writable(path);
  }

  read(path: string): Content {
    this.existing(path);
    return this.entries.get(path) ?? refuse("is-a-directory");
  }

  list(path: string): string[] {
    this.existing(path);
    if (!this.isDirectory(path)) refuse("not-a-directory");
    return this.below(path)
      .filter((each) => aboveOf(each).at(-1) === path)
      .map((each) => each.slice(each.lastIndexOf("/") + 1))
      .toSorted();
  }

  write(path: string, change: (old: string) => string, isNew = false): void {
    this.writable(path);
    if (path === "/" || holdsMount(path)) refuse("is-a-directory");
    this.find(path);
    if (isNew && this.has(path)) refuse("exists");
    if (this.isDirectory(path)) refuse("is-a-directory");
    this.entries.set(path, change(this.entries.get(path) ?? ""));
  }

  makeDirectory(path: string, hasParents: boolean): void {
    if (path === "/" || holdsMount(path)) return hasParents ? undefined : refuse("exists");
    this.writable(path);
    if (!hasParents) {
      this.find(path);
      if (this.has(path)) refuse("exists");
    }
    for (const each of [...aboveOf(path), path]) {
      if (this.has(each) && !this.isDirectory(each)) refuse("not-a-directory");
      this.entries.set(each, undefined);
    }
  }

  remove(path: string, isRecursive: boolean): void {
    this.movable(path);
    this.existing(path);
    if (!isRecursive && this.below(path).length > 0) refuse("not-empty");
    for (const each of [path, ...this.below(path)]) this.entries.delete(each);
  }

  rename(from: string, to: string, isNew: boolean): void {
    for (const path of [from, to]) this.movable(path);
    this.existing(from);
    this.find(to);
    if (isNew && this.has(to)) refuse("exists");
    if (from === to) return;
    if (isBelow(to, from)) refuse("invalid-path");
    if (this.has(to)) {
      if (isBelow(from, to)) refuse("not-empty");
      if (this.isDirectory(from) && !this.isDirectory(to)) refuse("not-a-directory");
      if (!this.isDirectory(from) && this.isDirectory(to)) refuse("is-a-directory");
      if (this.below(to).length > 0) refuse("not-empty");
    }
    const moved = [from, ...this.below(from)].map((each) => [each, this.entries.get(each)] as const);
    for (const [each] of moved) this.entries.delete(each);
    for (const [each, content] of moved) this.entries.set(to + each.slice(from.length), content);
  }

  /** With `isNew`, to where nothing is yet. */
  copy(from: string, to: string): void {
    this.existing(from);
    if (this.isDirectory(from) && (from === to || isBelow(to, from))) refuse("invalid-path");
    this.writable(to);
    if (!this.isDirectory(from) && MOUNTS[to]) refuse("is-a-directory");
    this.find(to);
    if (this.has(to)) refuse("exists");
    for (const each of [from, ...this.below(from)])
      this.entries.set(to + each.slice(from === "/" ? 0 : from.length), this.entries.get(each));
  }
}

function isBelow(path: string, above: string): boolean {
  return path !== above && path.startsWith(above === "/" ? "/" : `${above}/`);
}

function aboveOf(path: string): string[] {
  const parts = path.split("/").slice(1, -1);
  return path === "/" ? [] : ["/", ...parts.map((_, i) => `/${parts.slice(0, i + 1).join("/")}`)];
}

function mountOf(path: string): string {
  const all = Object.keys(MOUNTS).filter((at) => path === at || isBelow(path, at));
  return all.toSorted((a, b) => b.length - a.length)[0] ?? "/";
}

function holdsMount(path: string): boolean {
  return Object.keys(MOUNTS).some((at) => at === path || isBelow(at, path));
}

/** One random step, for the model and for a namespace alike. */
function randomStep(random: ReturnType<typeof choicesFrom>) {
  const path = () => `/${Array.from({ length: 1 + random.below(4) }, () => random.pick(names)).join("/")}`;
  const [first, second, flag, text] = [path(), path(), random.next() < 0.5, `text ${random.below(1000)}`];
  const steps: Record<string, [model: (model: Model) => unknown, vfs: (vfs: SyncVfs) => unknown]> = {
    read: [(m) => m.read(first), (v) => v.readText(first)],
    list: [(m) => m.list(first), (v) => v.list(first).map(({ name }) => name)],
    write: [(m) => m.write(first, () => text, flag), (v) => v.write(first, text, { isNew: flag })],
    place: [(m) => m.write(first, () => text), (v) => v.write(first, text, { isInPlace: true })],
    append: [
      (m) => m.write(first, (old) => old + text),
      (v) => {
        using log = v.openLog(first);
        log?.write(Buffer.from(text));
        log?.commit();
      },
    ],
    mkdir: [(m) => m.makeDirectory(first, flag), (v) => v.makeDirectory(first, { hasParents: flag })],
    remove: [(m) => m.remove(first, flag), (v) => v.remove(first, flag)],
    rename: [(m) => m.rename(first, second, flag), (v) => v.rename(first, second, { isNew: flag })],
    copy: [
      (m) => m.copy(first, second),
      (v) => void v.copy(first, second, { isRecursive: true, isNew: true }),
    ],
  };
  const name = random.pick(Object.keys(steps));
  const [onModel, onVfs] = steps[name] as (typeof steps)[string];
  return { shown: `${name} ${JSON.stringify([first, second, flag, text])}`, onModel, onVfs };
}

function saidBy(work: () => unknown): string {
  try {
    return JSON.stringify(work()) ?? "done";
  } catch (thrown) {
    const { name, code, message } = thrown as { name: string; code: string; message: string };
    if (thrown instanceof Refused) return message;
    if (name !== "AuroraError") throw thrown;
    return code;
  }
}

/** What is mounted on disks, or in memory where it may be written to. */
function namespace(directory: string, isOnDisk: boolean): SyncVfs {
  const place = `${directory}/${isOnDisk ? "disk" : "memory"}`;
  const specs = Object.entries(MOUNTS).map(([path, mode], i): MountSpec => {
    const own = `${place}/${i}`;
    mkdirSync(mode === "ro" ? `${own}/b` : own, { recursive: true });
    if (mode === "ro") {
      writeFileSync(`${own}/f`, "given");
      writeFileSync(`${own}/b/f`, "given too");
    }
    return isOnDisk || mode === "ro"
      ? { path, kind: "host", directory: own, mode }
      : { path, kind: "memory", sizeBytes: 10_000_000 };
  });
  mkdirSync(`${place}/root`);
  const vfs = new SyncVfs(isOnDisk ? new DiskMount(`${place}/root`) : new MemoryMount(10_000_000), []);
  // What holds a mount is there on the disk as well, so that something can be put beside the mount.
  vfs.makeDirectory("/b");
  for (const spec of specs) {
    vfs.mount(spec);
    if (spec.path === "/a") vfs.makeDirectory("/a/c");
  }
  return vfs;
}

function picture(vfs: SyncVfs): string[] {
  const all = Array.from(vfs.walk("/"), ({ path: { shown }, entry }) =>
    entry.type === "file" ? `${shown} ${vfs.readText(shown)}` : shown,
  );
  return ["/", ...all].toSorted();
}

test(`seed ${SEED}: a namespace with mounts is a map of paths`, () => {
  const told = new Set<string>();
  for (let run = 0; run < RUNS; run++) {
    using directory = scratch();
    const model = new Model();
    const all = [true, false].map((isOnDisk) => namespace(directory.path, isOnDisk));
    const random = choicesFrom(SEED * 1_000_033 + run);
    const history: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      const { shown, onModel, onVfs } = randomStep(random);
      const expected = saidBy(() => onModel(model));
      const said = all.map((vfs) => saidBy(() => onVfs(vfs)));
      history.push(`${shown} ${expected}`);
      expect(said, `run ${run}: ${history.join("\n")}`).toEqual([expected, expected]);
      told.add(expected);
    }
    const expected = [...model.entries].map(([path, content]) =>
      content === undefined ? path : `${path} ${content}`,
    );
    for (const vfs of all) {
      expect(picture(vfs), `run ${run}: ${history.join("\n")}`).toEqual(expected.toSorted());
      vfs[Symbol.dispose]();
    }
  }
  // It came by all that can be said.
  for (const code of "done not-found not-a-directory is-a-directory read-only exists conflict not-empty invalid-path".split(
    " ",
  ))
    expect([...told]).toContain(code);
}, 1_200_000);
