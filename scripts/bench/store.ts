/**
 * Staging speed against what people would type: `cp -a`, `sha256sum` of every file, `sync -f`. Both end durable and with
 * checksums; ours also has the digest of the whole and the check of every name.
 *
 *   bun scripts/bench/store.ts        in TMPDIR: choose a quiet disk, syncfs waits for everybody's data
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

import { putTree } from "../../src/store/put-tree.ts";
import { ensureHome } from "../../src/system/ensure-home.ts";
import { homePaths } from "../../src/system/home.ts";
import { removeTree } from "../../src/system/scratch.ts";

type Measure = { name: string; value: number; unit: string; ratio?: number; against?: string };

const ROUNDS = 5;
const MIB = 1024 ** 2;

/** Medians of five alternating rounds, in milliseconds; `ratio` is ours divided by theirs. */
export async function bench(): Promise<Measure[]> {
  const directory = mkdtempSync(`${tmpdir()}/aurora-bench-`);
  try {
    return [
      await measure(directory, "stage 10,000 files of 9 KB", 10_000, 9000),
      await measure(directory, "stage 20 files of 50 MiB", 20, 50 * MIB),
    ];
  } finally {
    removeTree(directory);
  }
}

async function measure(directory: string, name: string, files: number, size: number): Promise<Measure> {
  const source = `${directory}/source`;
  makePack(source, files, size);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    theirs.push(await timed(() => copyAndSum(source, `${directory}/copy`)));
    removeTree(`${directory}/copy`);
    Bun.spawnSync(["sync", "-f", directory]);
    const paths = homePaths(`${directory}/home`);
    ensureHome(paths);
    ours.push(await timed(() => putTree(paths, source, () => ({ pack_id: "bench", manifest: {} }))));
    removeTree(paths.home);
    Bun.spawnSync(["sync", "-f", directory]);
  }
  rmSync(source, { recursive: true });
  const [value, baseline] = [median(ours), median(theirs)];
  return { name, value, unit: "ms", ratio: value / baseline, against: "cp -a, sha256sum, sync -f" };
}

/** Random bytes, different in each file: nothing can be shared or compressed. */
function makePack(source: string, files: number, size: number): void {
  const bytes = crypto.getRandomValues(Buffer.alloc(Math.min(size, 65_536)));
  const content = Buffer.alloc(size, bytes);
  for (let i = 0; i < files; i++) {
    content.writeUInt32LE(i, 0);
    const directory = `${source}/d${i % 100}`;
    mkdirSync(directory, { recursive: true });
    writeFileSync(`${directory}/f${i}`, content);
  }
}

function copyAndSum(source: string, copy: string): void {
  const script =
    'cp -a "$0" "$1" && find "$1" -type f -print0 | xargs -0 sha256sum >/dev/null && sync -f "$1"';
  if (!Bun.spawnSync(["sh", "-c", script, source, copy]).success) throw new Error("cp or sha256sum failed");
}

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

if (import.meta.main) for (const result of await bench()) console.log(JSON.stringify(result));
