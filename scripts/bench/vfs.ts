/**
 * The VFS against what it stands on and what others offer: medians of alternating rounds, in CPU time so that a busy machine
 * does not disturb. Streams are measured in the CPU time of a whole process.
 *
 *   bun scripts/bench/vfs.ts        in TMPDIR, about a minute and 2 GB of disk
 */
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { configure, fs as zenfs, InMemory } from "@zenfs/core";
import { Volume } from "memfs";

import { openVfs, type Vfs } from "../../src/vfs/vfs.ts";
import type { BenchRow } from "./row.ts";

const ROUNDS = 31;
/** The same copy by the same call takes from 210 to 280 ms here, by what else the machine writes: three say too little. */
const STREAM_ROUNDS = 9;
const KIB = Buffer.alloc(1024, "x");
const DEEP = "a/b/c/d";
const NAMES = 100_000;
const STREAM_BYTES = 1024 ** 3;
const SELF = import.meta.path;

export async function bench(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), "aurora-bench-vfs-"));
  try {
    mkdirSync(`${directory}/${DEEP}`, { recursive: true });
    writeFileSync(`${directory}/${DEEP}/f`, KIB);
    using vfs = openVfs({ root: directory });
    using mounted = openVfs({
      root: directory,
      mounts: [{ path: "/memory", kind: "memory", sizeBytes: 64 * 1024 ** 2 }],
    });
    mounted.sync.write(`/memory/${DEEP}/f`, KIB, { hasParents: true });
    return [
      ...againstNode(directory, vfs),
      ...(await againstMemory(mounted)),
      ...againstPython(directory, vfs),
      ...listings(directory, vfs),
      ...streams(directory),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function againstNode(directory: string, vfs: Vfs): BenchRow[] {
  const [inside, outside] = [`${DEEP}/f`, `${directory}/${DEEP}/f`];
  return [
    pair(
      "read 1 KB, four deep",
      2000,
      () => vfs.sync.read(inside),
      "fs.readFileSync",
      1.15,
      () => readFileSync(outside),
    ),
    pair(
      "write 1 KB in place, four deep",
      1000,
      () => vfs.sync.write(inside, KIB, { isInPlace: true }),
      "fs.writeFileSync",
      1,
      () => writeFileSync(outside, KIB),
    ),
    pair(
      "atomic write of 1 KB, four deep",
      100,
      () => vfs.sync.write(inside, KIB),
      "temporary file, rename",
      1.3,
      () => {
        writeFileSync(`${outside}.tmp`, KIB);
        renameSync(`${outside}.tmp`, outside);
      },
    ),
    pair(
      "stat, four deep",
      2000,
      () => vfs.sync.stat(inside),
      "fs.lstatSync",
      undefined,
      () => lstatSync(outside),
    ),
  ];
}

async function againstMemory(vfs: Vfs): Promise<BenchRow[]> {
  const volume = Volume.fromJSON({});
  volume.mkdirSync(`/${DEEP}`, { recursive: true });
  volume.writeFileSync(`/${DEEP}/f`, KIB);
  await configure({ mounts: { "/": InMemory } });
  zenfs.mkdirSync(`/${DEEP}`, { recursive: true });
  zenfs.writeFileSync(`/${DEEP}/f`, KIB);
  const [disk, memory, bare] = [`${DEEP}/f`, `/memory/${DEEP}/f`, `/${DEEP}/f`];
  const read = () => vfs.sync.read(memory);
  const write = () => vfs.sync.write(memory, KIB);
  return [
    // So many that a round takes several ticks of the clock that CPU time is counted by.
    pair("memory mount: read 1 KB", 40_000, read, "our disk", 0.2, () => vfs.sync.read(disk), 9),
    pair("memory mount: read 1 KB", 40_000, read, "memfs", undefined, () => volume.readFileSync(bare), 9),
    pair("memory mount: read 1 KB", 2000, read, "@zenfs/core", undefined, () => zenfs.readFileSync(bare), 9),
    pair(
      "memory mount: write 1 KB",
      40_000,
      write,
      "memfs",
      undefined,
      () => volume.writeFileSync(bare, KIB),
      9,
    ),
    pair(
      "memory mount: write 1 KB",
      2000,
      write,
      "@zenfs/core",
      undefined,
      () => zenfs.writeFileSync(bare, KIB),
      9,
    ),
  ];
}

/** The class that this replaces: it strips ".." from the text and follows every link. */
const pythonClass = `
import sys, time
from pathlib import Path
class VFS:
    def __init__(self, root):
        self.root = Path(root)
    def path(self, rel):
        return self.root / rel.lstrip("/").replace("..", "")
    def read_text(self, rel):
        return self.path(rel).read_text()
    def write_text(self, rel, text):
        p = self.path(rel)
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_text(text)
vfs, rel, text = VFS(sys.argv[1]), sys.argv[2], "x" * 1024
def measure(work):
    start = time.thread_time()
    for _ in range(5000):
        work()
    print((time.thread_time() - start) / 5000 * 1e6)
measure(lambda: vfs.read_text(rel))
measure(lambda: vfs.write_text(rel, text))
`;

function againstPython(directory: string, vfs: Vfs): BenchRow[] {
  if (Bun.which("python3") === null) return [];
  const rel = `${DEEP}/f`;
  const { stdout } = Bun.spawnSync(["python3", "-c", pythonClass, directory, rel]);
  const [read = 1, write = 1] = stdout.toString().trim().split("\n").map(Number);
  const text = "x".repeat(1024);
  const reading = microseconds(5000, () => vfs.sync.readText(rel));
  const writing = microseconds(5000, () => vfs.sync.write(rel, text, { isInPlace: true }));
  return [
    { name: "read 1 KB of text", value: reading, unit: "us", ratio: reading / read, against: "Python class" },
    {
      name: "write 1 KB of text in place",
      value: writing,
      unit: "us",
      ratio: writing / write,
      against: "Python class",
    },
  ];
}

function listings(directory: string, vfs: Vfs): BenchRow[] {
  mkdirSync(`${directory}/many`);
  for (let i = 0; i < NAMES; i++)
    closeSync(openSync(`${directory}/many/file-${i}`, constants.O_CREAT | constants.O_WRONLY));
  const label = NAMES.toLocaleString("en");
  return [
    pair(
      `names of ${label} files`,
      1,
      () => vfs.sync.names("many"),
      "fs.readdirSync",
      1.3,
      () => readdirSync(`${directory}/many`),
      9,
    ),
    pair(
      `ls of ${label} files, with sizes`,
      1,
      () => vfs.sync.list("many"),
      "readdir, lstat of each",
      1.3,
      () => readdirSync(`${directory}/many`).map((name) => lstatSync(`${directory}/many/${name}`)),
      5,
    ),
  ];
}

/** Each in a process of its own, whose CPU time counts. */
function streams(directory: string): BenchRow[] {
  const source = `${directory}/big`;
  const content = crypto.getRandomValues(Buffer.alloc(65_536));
  writeFileSync(source, Buffer.alloc(STREAM_BYTES, content));
  const copy = () => processCpu(["cp", "--reflink=never", source, `${directory}/copied`]);
  const run = (what: string) => processCpu([process.execPath, SELF, what, directory]);
  const start = median(Array.from({ length: STREAM_ROUNDS }, () => run("nothing")));
  const gone = () => rmSync(`${directory}/copied`, { force: true });
  return (["stream", "copy"] as const).map((what) => {
    const ratios: number[] = [];
    const values: number[] = [];
    for (let round = 0; round < STREAM_ROUNDS; round++) {
      const theirs = copy();
      gone();
      const mine = run(what) - start;
      gone();
      values.push(mine / 1000);
      ratios.push(mine / theirs);
    }
    const name = what === "stream" ? "1 GB read and written as a stream" : "1 GB copied";
    return {
      name,
      value: median(values),
      unit: "ms",
      ratio: median(ratios),
      against: "cp",
      // cp reads and writes by hand here, which costs a tenth less than what the kernel does for both, and shares nothing.
      ...(what === "stream" ? { target: 1 / 0.9 } : {}),
    };
  });
}

/** User and system time of a process, in microseconds. */
function processCpu(command: string[]): number {
  const { success, resourceUsage, stderr } = Bun.spawnSync(command);
  if (!success) throw new Error(stderr.toString());
  return Number(resourceUsage.cpuTime.total);
}

function pair(
  name: string,
  operations: number,
  ours: () => unknown,
  against: string,
  target: number | undefined,
  theirs: () => unknown,
  rounds = ROUNDS,
): BenchRow {
  const values: number[] = [];
  const ratios: number[] = [];
  for (const work of [ours, theirs]) microseconds(operations, work);
  for (let round = 0; round < rounds; round++) {
    const theirTime = microseconds(operations, theirs);
    const ourTime = microseconds(operations, ours);
    values.push(ourTime);
    ratios.push(ourTime / theirTime);
  }
  return {
    name,
    value: median(values),
    unit: "us",
    ratio: median(ratios),
    against,
    ...(target === undefined ? {} : { target }),
  };
}

/** CPU time of one call. */
function microseconds(operations: number, work: () => unknown): number {
  const start = cpu();
  for (let i = 0; i < operations; i++) work();
  return (cpu() - start) / operations;
}

/** Of the main thread, in microseconds: the compiler and the collector run in threads of their own when it suits them. */
function cpu(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

/** What runs in a process of its own. */
async function alone(what: string, directory: string): Promise<void> {
  using vfs = openVfs({ root: directory });
  if (what === "stream") await vfs.write("copied", vfs.chunks("big"));
  if (what === "copy") await vfs.copy("big", "copied");
}

if (import.meta.main) {
  const [what, directory] = process.argv.slice(2);
  if (what !== undefined && directory !== undefined) await alone(what, directory);
  else for (const row of await bench()) console.log(JSON.stringify(row));
}
