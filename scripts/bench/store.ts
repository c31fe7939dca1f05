/**
 * Staging speed against what people would type: `cp -a`, `sha256sum` of every file, `sync -f`. Both end durable and with
 * checksums; ours also has the digest of the whole and the check of every name.
 *
 *   bun scripts/bench/store.ts        in TMPDIR: choose a quiet disk, syncfs waits for everybody's data
 */
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CHUNK_BYTES } from "../../src/store/copy-ring.ts";
import { putTree } from "../../src/store/put-tree.ts";
import { ensureHome } from "../../src/system/ensure-home.ts";
import { homePaths } from "../../src/system/home.ts";
import { removeTree } from "../../src/system/scratch.ts";
import { type BenchRow } from "./row.ts";
import { mustRun } from "./support/must-run.ts";

const ROUNDS = 5;
const MIB = 1024 ** 2;
const BASELINE = "cp -a, sha256sum, sync -f";

type Times = { wallMs: number[]; cpuMs: number[] };

/** Medians of five alternating rounds, in milliseconds; a ratio is ours, or a peer's, divided by the baseline of this run. */
export async function bench(): Promise<BenchRow[]> {
  const directory = mkdtempSync(`${tmpdir()}/aurora-bench-`);
  try {
    return [
      ...(await measure(directory, "stage 10,000 files of 9 KB", 10_000, 9000, 0.7)),
      ...(await measure(directory, "stage 20 files of 50 MiB", 20, 50 * MIB, 0.35)),
      ...(await measureInstall(directory)),
    ];
  } finally {
    removeTree(directory);
  }
}

/**
 * Each round writes to names of its own, and what is many files goes away at the end: for minutes after inodes were freed, ext4
 * takes up to ten times as long to find one for a new file.
 */
async function measure(
  directory: string,
  name: string,
  files: number,
  size: number,
  target: number,
): Promise<BenchRow[]> {
  const source = `${directory}/source`;
  makePack(source, files, size);
  const times: Record<"ours" | "theirs" | "floor" | "ostree", number[]> = {
    ours: [],
    theirs: [],
    floor: [],
    ostree: [],
  };
  const hasOstree = Bun.which("ostree") !== null;
  for (let round = 0; round < ROUNDS; round++) {
    const place = `${directory}/round${round}`;
    const repository = `${place}-ostree`;
    if (hasOstree) must(["ostree", "init", "--mode=bare-user-only", `--repo=${repository}`]);
    times.theirs.push(await timed(() => copyAndSum(source, `${place}-copy`)));
    settle(directory);
    const paths = homePaths(`${place}-home`);
    ensureHome(paths);
    times.ours.push(await timed(() => putTree(paths, source, () => ({ pack_id: "bench", manifest: {} }))));
    settle(directory);
    times.floor.push(await timed(() => hashOnly(files * size)));
    if (hasOstree) {
      const commit = [
        "ostree",
        "commit",
        `--repo=${repository}`,
        "--orphan",
        "--no-xattrs",
        `--tree=dir=${source}`,
      ];
      times.ostree.push(
        await timed(() => {
          must(commit);
          settle(repository);
        }),
      );
    }
    if (files * size > 100 * MIB) removeRound(place);
    settle(directory);
  }
  removeTree(source);
  const baseline = median(times.theirs);
  const row = (what: string, list: number[], more: Partial<BenchRow> = {}): BenchRow => ({
    name: what,
    value: median(list),
    unit: "ms",
    ratio: median(list) / baseline,
    against: BASELINE,
    ...more,
  });
  return [
    row(name, times.ours, { target }),
    row("  floor: SHA-256 of as many bytes, once", times.floor),
    ...(hasOstree ? [row("  peer: ostree commit, sync -f", times.ostree)] : []),
  ];
}

function removeRound(place: string): void {
  for (const kind of ["copy", "home", "ostree"]) removeTree(`${place}-${kind}`);
}

/**
 * A durable install of 100 files by the compiled program, its start included, against `cp -a` and `sync -f`: into a home that has
 * a pack already, which is the usual case, and into one that it has to make.
 */
async function measureInstall(directory: string): Promise<BenchRow[]> {
  const binary = Bun.env["AURORA_BINARY"] ?? join(import.meta.dir, "../../dist/aurora");
  if (!existsSync(binary)) must(["bun", "run", "build"]);
  const source = `${directory}/pack`;
  makePack(source, 100, 9000);
  writeManifest(source, "bench");
  const other = `${directory}/other`;
  mkdirSync(other);
  writeManifest(other, "other");
  const places = Array.from({ length: 3 * ROUNDS }, (_, round) => `${directory}/install${round}`);
  const floor = `${directory}/install-floor`;
  await compileFloor(floor);
  for (const place of places) {
    must([binary, "install", other, "--home", `${place}-home`]);
    makeFloorHome(`${place}-floor`);
  }
  const commands = {
    theirs: (place: string) => [
      ["cp", "-a", source, `${place}-copy`],
      ["sync", "-f", `${place}-copy`],
    ],
    ours: (place: string) => [[binary, "install", source, "--home", `${place}-home`]],
    fresh: (place: string) => [[binary, "install", source, "--home", `${place}-fresh`]],
    floor: (place: string) => [[floor, source, `${place}-floor`]],
  };
  const kinds = ["theirs", "ours", "fresh", "floor"] as const;
  const times = Object.fromEntries(kinds.map((kind) => [kind, { wallMs: [], cpuMs: [] } as Times]));
  for (const place of places)
    for (const kind of kinds) {
      settle(directory);
      let cpuMs = 0;
      const wallMs = await timed(() => {
        for (const argv of commands[kind](place)) cpuMs += mustRun(argv);
      });
      times[kind]?.wallMs.push(wallMs);
      times[kind]?.cpuMs.push(cpuMs);
    }
  const rows = (name: string, kind: (typeof kinds)[number], target?: number): BenchRow[] =>
    (["wallMs", "cpuMs"] as const).map((clock) => {
      const value = median(times[kind]?.[clock] ?? []);
      return {
        name: clock === "wallMs" ? name : `${name}, CPU`,
        value,
        unit: "ms",
        ratio: value / median(times["theirs"]?.[clock] ?? []),
        against: "cp -a, sync -f",
        ...(clock === "wallMs" && target !== undefined && { target }),
      };
    });
  return [
    ...rows("install 100 files of 9 KB", "ours", 2),
    ...rows("  the same into a new home", "fresh", 2),
    ...rows("  floor: a program with the same system calls", "floor"),
  ];
}

async function compileFloor(outfile: string): Promise<void> {
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, "store/install-floor.ts")],
    target: "bun",
    format: "esm",
    bytecode: true,
    minify: true,
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
  });
  if (!built.success) throw new AggregateError(built.logs, "the build failed");
}

function makeFloorHome(home: string): void {
  for (const name of ["store", "live", "tmp"]) mkdirSync(`${home}/${name}`, { recursive: true });
  using database = new Database(`${home}/state.db`);
  database.run("CREATE TABLE rows (content TEXT)");
}

/** Nothing of the pack runs: what is measured is ours. */
function writeManifest(source: string, id: string): void {
  const safety = "{ dry_run_supported: false, operator_approval_required: false }";
  writeFileSync(
    `${source}/manifest.yaml`,
    `schema_version: aurora-manifest-v1\npack: { id: ${id}, name: Bench, version: 1.0.0, safety: ${safety} }\n`,
  );
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

/** What nobody can go below who has the digest of one archive: one thread, from memory. */
function hashOnly(bytes: number): void {
  const hasher = new Bun.CryptoHasher("sha256");
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let done = 0; done < bytes; done += chunk.length) hasher.update(chunk);
  hasher.digest();
}

function settle(directory: string): void {
  must(["sync", "-f", directory]);
}

function must(argv: string[]): void {
  const { success, stderr } = Bun.spawnSync(argv);
  if (!success) throw new Error(`${argv.join(" ")}: ${stderr.toString()}`);
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

if (import.meta.main) for (const result of await bench()) console.log(JSON.stringify(result));
