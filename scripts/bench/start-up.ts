/** How long the compiled program takes to start, against a compiled program that only says hello. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { BenchRow } from "./row.ts";

const ROUNDS = 60;
const WARM_UP_ROUNDS = 5;
const PACKS = 200;
const VERSION_TARGET = 1.5;
const LIST_TARGET = 2.5;
const root = join(import.meta.dir, "../..");

/** Medians of rounds in which all take turns, so that whatever else the machine does meets each of them. */
export async function bench(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), "aurora-bench-"));
  try {
    const hello = await buildHello(directory);
    const aurora = join(directory, "aurora");
    mustRun([process.execPath, "scripts/build.ts", "--outfile", aurora]);
    const empty = join(directory, "empty");
    const full = join(directory, "full");
    mustRun([aurora, "recover", "--home", empty, "--quiet"]);
    fillHome(aurora, directory, full);
    const cases = {
      hello: [hello],
      version: [aurora, "version"],
      "list, no packs": [aurora, "list", "--home", empty],
      [`list, ${PACKS} packs`]: [aurora, "list", "--home", full],
    };
    const times = measure(cases);
    const base = median(times["hello"] ?? []);
    return Object.entries(times).map(([name, values]): BenchRow => {
      const value = median(values);
      if (name === "hello") return { name: "compiled hello-world", value, unit: "ms" };
      const target = name === "version" ? VERSION_TARGET : LIST_TARGET;
      return {
        name: `aurora ${name}`,
        value,
        unit: "ms",
        ratio: value / base,
        against: "hello-world",
        target,
      };
    });
  } finally {
    mustRun(["chmod", "-R", "u+w", directory]);
    rmSync(directory, { recursive: true });
  }
}

/** Built with the same options as the program itself, so that only what it does differs. */
async function buildHello(directory: string): Promise<string> {
  const source = join(directory, "hello.ts");
  const outfile = join(directory, "hello");
  writeFileSync(source, 'require("node:fs").writeSync(1, "hello\\n");\n');
  const built = await Bun.build({
    entrypoints: [source],
    target: "bun",
    format: "esm",
    bytecode: true,
    minify: true,
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
  });
  if (!built.success) throw new AggregateError(built.logs, "the build of hello-world failed");
  return outfile;
}

/** Installs packs that only have a name, without starting them. */
function fillHome(aurora: string, directory: string, home: string): void {
  const template = join(root, "packs/pack01_pack01");
  const manifest = readFileSync(join(template, "manifest.yaml"), "utf8").replace(
    "operator_approval_required: true",
    "operator_approval_required: false",
  );
  const sources: string[] = [];
  for (let number = 0; number < PACKS; number++) {
    const id = `pack${number}`;
    const path = join(directory, "packs", id);
    mkdirSync(path, { recursive: true });
    cpSync(template, path, { recursive: true });
    writeFileSync(join(path, "manifest.yaml"), manifest.replace(/id: .*/, `id: "${id}"`));
    sources.push(path);
  }
  mustRun([aurora, "install", ...sources, "--approve", "--no-start", "--home", home, "--quiet"]);
}

function measure(cases: Record<string, string[]>): Record<string, number[]> {
  const times = Object.fromEntries(Object.keys(cases).map((name) => [name, [] as number[]]));
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++)
    for (const [name, argv] of Object.entries(cases)) {
      const start = performance.now();
      mustRun(argv);
      if (round >= 0) times[name]?.push(performance.now() - start);
    }
  return times;
}

function mustRun(argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv, { cwd: root, stdout: "ignore", stderr: "pipe" });
  if (exitCode !== 0)
    throw new Error(`"${argv.slice(0, 3).join(" ")}" ended with ${exitCode}: ${stderr.toString()}`);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
