/** How long the compiled program takes to start and to do little, against a compiled program that only says hello. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { writePack } from "../../test/support/test-pack.ts";
import type { BenchRow } from "./row.ts";
import { buildHello } from "./support/build-hello.ts";
import { mustRun } from "./support/must-run.ts";

const ROUNDS = 60;
const WARM_UP_ROUNDS = 5;
const PACKS = 200;
const VERSION_TARGET = 1.5;
const LIST_TARGET = 2.5;
const STATUS_TARGET = 2;
const HELLO = "compiled hello-world";

type Case = { argv: string[]; home?: string; target?: number };
type Times = { wallMs: number[]; cpuMs: number[] };

/** Medians of rounds in which all take turns, so that whatever else the machine does meets each of them. */
export async function bench(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), "aurora-bench-"));
  try {
    const aurora = join(directory, "aurora");
    mustRun([process.execPath, "scripts/build.ts", "--outfile", aurora]);
    const cases = new Map<string, Case>([
      [HELLO, { argv: [await buildHello(directory)] }],
      ["aurora version", { argv: [aurora, "version"], target: VERSION_TARGET }],
    ]);
    for (const count of [0, PACKS]) {
      const home = join(directory, `home-${count}`);
      const another = fillHome(aurora, join(directory, `packs-${count}`), home, count);
      cases.set(`aurora list, ${count} packs`, { argv: [aurora, "list"], home, target: LIST_TARGET });
      cases.set(`aurora status, ${count} packs`, { argv: [aurora, "status"], home, target: STATUS_TARGET });
      if (another) cases.set(`aurora plan, ${count} packs`, { argv: [aurora, "plan", another], home });
    }
    const times = measure(cases);
    const base = medians(times.get(HELLO));
    return [...cases].flatMap(([name, { target }]): BenchRow[] => {
      const { wallMs, cpuMs } = medians(times.get(name));
      if (name === HELLO)
        return [
          { name, value: wallMs, unit: "ms" },
          { name: `${name}, CPU`, value: cpuMs, unit: "ms" },
        ];
      const against = "hello-world";
      return [
        { name, value: wallMs, unit: "ms", ratio: wallMs / base.wallMs, against, ...(target && { target }) },
        { name: `${name}, CPU`, value: cpuMs, unit: "ms", ratio: cpuMs / base.cpuMs, against },
      ];
    });
  } finally {
    mustRun(["chmod", "-R", "u+w", directory]);
    rmSync(directory, { recursive: true });
  }
}

/**
 * Makes a home, and installs packs in it that have no scripts.
 *
 * @returns the source of one more, which is staged but not installed; undefined for a home without packs
 */
function fillHome(aurora: string, directory: string, home: string, count: number): string | undefined {
  mustRun([aurora, "recover", "--quiet"], home);
  if (count === 0) return undefined;
  const none = { install: null, start: null, stop: null, health: null };
  const [another = "", ...sources] = Array.from({ length: count + 1 }, (_, number) =>
    writePack(join(directory, `pack${number}`), { id: `pack${number}`, ...none }),
  );
  mustRun([aurora, "install", ...sources, "--approve", "--quiet"], home);
  mustRun([aurora, "stage", another, "--quiet"], home);
  return another;
}

function measure(cases: Map<string, Case>): Map<string, Times> {
  const times = new Map([...cases.keys()].map((name) => [name, { wallMs: [], cpuMs: [] } as Times]));
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++)
    for (const [name, { argv, home }] of cases) {
      const start = performance.now();
      const cpuMs = mustRun(argv, home);
      const wallMs = performance.now() - start;
      if (round < 0) continue;
      times.get(name)?.wallMs.push(wallMs);
      times.get(name)?.cpuMs.push(cpuMs);
    }
  return times;
}

function medians({ wallMs, cpuMs }: Times = { wallMs: [], cpuMs: [] }) {
  return { wallMs: median(wallMs), cpuMs: median(cpuMs) };
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
