/**
 * The real daemon with a hundred confined services: how long until all of them run, beside dinit without confinement where it
 * is on the PATH; what it takes when nothing happens; and what commands take that ask it or look at its services.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { daemonRuntime } from "../../src/daemon/daemon-runtime.ts";
import { writePack } from "../../test/support/test-pack.ts";
import { skipped } from "./peer.ts";
import type { BenchRow } from "./row.ts";
import { Arena } from "./supervisor/arena.ts";
import { contenders } from "./supervisor/contenders.ts";
import { cpuMs, memoryOf, threadTimes } from "./supervisor/processes.ts";
import { buildHello } from "./support/build-hello.ts";
import { mustRun } from "./support/must-run.ts";

const SERVICES = 100;
const START_ROUNDS = 5;
const START_LIMIT_MS = 90_000;
const COMMAND_ROUNDS = 40;
/** A command beside one that only says hello. */
const COMMAND_TARGET = 2;
/** Until it has come to rest, and the runtime has given back what it gives back by itself. */
const REST_MS = 20_000;
const IDLE_MS = 60_000;

export async function bench(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), "aurora-bench-"));
  // Packs have users of their own, and these have to reach the home and the pipe.
  chmodSync(directory, 0o711);
  const arena = new Arena();
  chmodSync(arena.directory, 0o711);
  chmodSync(arena.pipe, 0o666);
  const aurora = join(directory, "aurora");
  const home = join(directory, "home");
  try {
    mustRun([process.execPath, "scripts/build.ts", "--outfile", aurora]);
    mustRun([aurora, "install", ...writePacks(directory, arena), "--approve", "--quiet"], home);
    arena.waitFor(() => arena.pids.size >= SERVICES, START_LIMIT_MS);
    const [starts, others] = await measureStarts(aurora, home, arena);
    const rows = startRows(starts, others);
    const daemon = startDaemon(aurora, home, arena);
    await Bun.sleep(REST_MS);
    const before = threadTimes([daemon.pid]);
    await Bun.sleep(IDLE_MS);
    const idle = cpuMs([daemon.pid], before);
    rows.push({ name: `its processor time in ${IDLE_MS / 1000} s idle`, value: idle, unit: "ms" });
    const { rssKb, anonymousKb } = memoryOf([daemon.pid]);
    rows.push({ name: "its private memory", value: anonymousKb / 1024, unit: "MB" });
    rows.push({ name: "its RSS", value: rssKb / 1024, unit: "MB" });
    return [...rows, ...measureCommands(aurora, home, await buildHello(directory))];
  } finally {
    mustRun([aurora, "daemon", "stop", "--services"], home);
    await arena.end();
    mustRun(["chmod", "-R", "u+w", directory]);
    rmSync(directory, { recursive: true });
  }
}

/** @returns their directories */
function writePacks(directory: string, { directory: place, pipe }: Arena): string[] {
  return Array.from({ length: SERVICES }, (_, index) =>
    writePack(join(directory, `packs/svc${index}`), {
      id: `svc${index}`,
      install: null,
      start: `echo svc${index} $$ > ${pipe}; exec sleep infinity`,
      stop: null,
      health: null,
      manifest: `  service: { type: simple, restart: always }\n  permissions: { write: ["${place}"] }`,
    }),
  );
}

/** As after an orderly end of all services: they are wanted, and the daemon starts them. */
function startDaemon(aurora: string, home: string, arena: Arena): Bun.Subprocess & { startMs: number } {
  mustRun([aurora, "daemon", "stop", "--services"], home);
  arena.pids.clear();
  const started = performance.now();
  const child = Bun.spawn([aurora, "daemon", "--home", home], {
    // As commands and the systemd unit start it.
    env: { ...process.env, ...daemonRuntime },
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
  });
  if (!arena.waitFor(() => arena.pids.size >= SERVICES, START_LIMIT_MS))
    throw new Error(`only ${arena.pids.size} services started`);
  return Object.assign(child, { startMs: performance.now() - started });
}

/** Both take turns. */
async function measureStarts(aurora: string, home: string, arena: Arena): Promise<[number[], number[]]> {
  const dinit = contenders.find(({ name, needs }) => name === "dinit" && Bun.which(needs) !== null);
  if (!dinit) skipped("dinit");
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < START_ROUNDS; round++) {
    ours.push(startDaemon(aurora, home, arena).startMs);
    if (!dinit) continue;
    const other = new Arena();
    const services = Array.from({ length: SERVICES }, (_, index) => other.service(`s${index}`));
    const ms = other.start(dinit, services);
    if (ms !== undefined) theirs.push(ms);
    await other.end();
  }
  return [ours, theirs];
}

function startRows(ours: number[], theirs: number[]): BenchRow[] {
  const row = {
    name: `aurora daemon: start of ${SERVICES} confined services`,
    value: median(ours),
    unit: "ms",
  };
  if (theirs.length === 0) return [row];
  const against = `dinit ${median(theirs).toPrecision(3)}, unconfined`;
  return [{ ...row, ratio: median(ours) / median(theirs), against }];
}

function measureCommands(aurora: string, home: string, hello: string): BenchRow[] {
  mustRun([aurora, "stop", "svc1"], home);
  const cases: [name: string, argv: string[]][] = [
    ["hello-world", [hello]],
    ["aurora daemon status", [aurora, "daemon", "status"]],
    ["aurora status of one", [aurora, "status", "svc0"]],
    ["aurora status of all", [aurora, "status"]],
    ["aurora start of one that runs", [aurora, "start", "svc0"]],
    ["aurora stop of one that is stopped", [aurora, "stop", "svc1"]],
  ];
  const times = new Map(cases.map(([name]) => [name, { wallMs: [] as number[], cpuMs: [] as number[] }]));
  for (let round = 0; round < COMMAND_ROUNDS; round++)
    for (const [name, argv] of cases) {
      const started = performance.now();
      const cpu = mustRun(argv, home);
      times.get(name)?.wallMs.push(performance.now() - started);
      times.get(name)?.cpuMs.push(cpu);
    }
  const of = (name: string) => times.get(name) ?? { wallMs: [], cpuMs: [] };
  const base = of("hello-world");
  return cases.slice(1).flatMap(([name]): BenchRow[] => {
    const { wallMs, cpuMs: spent } = of(name);
    const against = "hello-world";
    return [
      {
        name,
        value: median(wallMs),
        unit: "ms",
        ratio: median(wallMs) / median(base.wallMs),
        against,
        target: COMMAND_TARGET,
      },
      {
        name: `${name}, CPU`,
        value: median(spent),
        unit: "ms",
        ratio: median(spent) / median(base.cpuMs),
        against,
      },
    ];
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
