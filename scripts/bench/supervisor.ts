/**
 * The supervisor beside others: memory, processor time when idle, start, restart, status, logs. Whichever of supervisord, pm2,
 * runit, s6 and dinit is on the PATH takes part. AURORA_BENCH_COUNTS=100 measures with that many services only (with "none" the logs
 * alone), AURORA_BENCH_LOGS=10 the logs that often.
 */
import {
  closeSync,
  existsSync,
  linkSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { KEPT_SERVICE_LOGS, MAX_SERVICE_LOG_BYTES, serviceLogs } from "../../src/process/service-log.ts";
import type { BenchRow } from "./row.ts";
import { Arena } from "./supervisor/arena.ts";
import { type Contender, contenders, ours } from "./supervisor/contenders.ts";
import { cpuMs, memoryOf, ownProcesses, threadTimes } from "./supervisor/processes.ts";

const COUNTS = (process.env["AURORA_BENCH_COUNTS"] ?? "0,10,100,500")
  .split(",")
  .map(Number)
  .filter(Number.isInteger);
/** Starts and restarts are measured by turns, so that what the machine does meanwhile meets everybody. */
const ROUNDS = 5;
/** In each round: a service that has just been restarted would wait. */
const RESTARTS = 20;
/** Who takes longer than SLOW_MS for a start or a restart is asked in the first round alone, and for fewer restarts. */
const SLOW_RESTARTS = 8;
const SLOW_MS = 300;
/** After a start, until the services have come to rest. */
const SETTLE_MS = 1000;
/** Until it has come to rest: ours gives back memory after 3 s. */
const REST_MS = 6000;
const IDLE_MS = 10_000;
const STATUS_ROUNDS = 20;
const LOG_BYTES = 200_000_000;
const LOG_ROUNDS = Number(process.env["AURORA_BENCH_LOGS"] ?? 3);
const LOG_LIMIT_MS = 120_000;
const LINE_BYTES = 100;
const here = import.meta.dir;

type Measured = {
  name: string;
  startMs: number[];
  restartMs: number[];
  statusMs: number[];
  idleMs?: number;
  /** By number of services. */
  memory: Map<number, { pssKb: number; rssKb: number; anonymousKb: number }>;
};

export async function bench(): Promise<BenchRow[]> {
  const built = mkdtempSync(join(tmpdir(), "aurora-bench-"));
  try {
    const aurora = ours(await compile("small-daemon", built));
    const present = contenders.filter(({ needs }) => Bun.which(needs) !== null);
    const results: Measured[] = [];
    for (const contender of [aurora, ...present]) {
      console.error(`  ${contender.name}`);
      results.push(await measure(contender));
    }
    if (COUNTS.includes(100)) await measureByTurns([aurora, ...present], results);
    const logs = await measureLogs(aurora, await compile("log-writer", built));
    return [...rowsOf(results), ...logs];
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
}

async function compile(name: string, directory: string): Promise<string> {
  const outfile = join(directory, name);
  const built = await Bun.build({
    entrypoints: [join(here, "supervisor", `${name}.ts`)],
    target: "bun",
    format: "esm",
    bytecode: true,
    minify: true,
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
  });
  if (!built.success) throw new AggregateError(built.logs, "build failed");
  return outfile;
}

async function measure(contender: Contender): Promise<Measured> {
  const result: Measured = {
    name: contender.name,
    startMs: [],
    restartMs: [],
    statusMs: [],
    memory: new Map(),
  };
  for (const count of COUNTS) {
    const arena = new Arena();
    try {
      const services = Array.from({ length: count }, (_, index) => arena.service(`s${index}`));
      if (arena.start(contender, services) === undefined) continue;
      await Bun.sleep(REST_MS);
      result.memory.set(count, memoryOf(ownProcesses(arena.pid)));
      if (count !== 100) continue;
      const before = threadTimes(ownProcesses(arena.pid));
      await Bun.sleep(IDLE_MS);
      result.idleMs = cpuMs(ownProcesses(arena.pid), before);
      for (let round = 0; round < STATUS_ROUNDS; round++) result.statusMs.push(arena.status());
    } finally {
      await arena.end();
    }
  }
  return result;
}

async function measureByTurns(contenders: readonly Contender[], results: readonly Measured[]): Promise<void> {
  for (let round = 0; round < ROUNDS; round++)
    for (const [index, contender] of contenders.entries()) {
      const { startMs, restartMs } = results[index] as Measured;
      if (median(startMs) > SLOW_MS || median(restartMs) > SLOW_MS) continue;
      const arena = new Arena();
      try {
        const services = Array.from({ length: 100 }, (_, number) => arena.service(`s${number}`));
        const ms = arena.start(contender, services);
        if (ms === undefined) continue;
        startMs.push(ms);
        await Bun.sleep(SETTLE_MS);
        await measureRestarts(arena, restartMs);
      } finally {
        await arena.end();
      }
    }
}

async function measureRestarts(arena: Arena, restartMs: number[]): Promise<void> {
  for (let index = 0; index < RESTARTS; index++) {
    if (index >= SLOW_RESTARTS && median(restartMs) > SLOW_MS) return;
    const ms = arena.restart(`s${index}`);
    if (ms !== undefined) restartMs.push(ms);
    await Bun.sleep(30);
  }
}

function rowsOf(results: readonly Measured[]): BenchRow[] {
  const [mine, ...others] = results;
  if (!mine) return [];
  const compare = (
    name: string,
    unit: string,
    of: (result: Measured) => number | undefined,
    target?: (other: string) => number | undefined,
  ): BenchRow[] => {
    const value = of(mine);
    if (value === undefined || Number.isNaN(value)) return [];
    const rows = others.flatMap((other): BenchRow[] => {
      const theirs = of(other);
      if (theirs === undefined || Number.isNaN(theirs)) return [];
      const limit = target?.(other.name);
      return [
        {
          name,
          value,
          unit,
          ratio: value / theirs,
          against: `${other.name} ${theirs.toPrecision(3)}`,
          ...(limit === undefined ? {} : { target: limit }),
        },
      ];
    });
    return rows.length > 0 ? rows : [{ name, value, unit }];
  };
  const perService = (result: Measured) => {
    const [least, most] = [result.memory.get(0), result.memory.get(500)];
    return least && most ? (most.anonymousKb - least.anonymousKb) / 500 : undefined;
  };
  return [
    ...compare(
      "start of 100 services, median",
      "ms",
      ({ startMs }) => median(startMs),
      (other) => (other === "dinit" ? 1.6 : 1),
    ),
    ...compare(
      "kill -9 to successor, median",
      "ms",
      ({ restartMs }) => median(restartMs),
      () => 1,
    ),
    ...compare("kill -9 to successor, 99 %", "ms", ({ restartMs }) => quantile(restartMs, 0.99)),
    ...compare("status of 100", "ms", ({ statusMs }) => median(statusMs)),
    ...compare("processor time in 10 s idle, 100 services", "ms", ({ idleMs }) => idleMs),
    ...COUNTS.flatMap((count) =>
      compare(`PSS with ${count} services`, "MB", ({ memory }) => inMb(memory.get(count)?.pssKb)),
    ),
    ...COUNTS.flatMap((count) =>
      compare(`private memory with ${count} services`, "MB", ({ memory }) =>
        inMb(memory.get(count)?.anonymousKb),
      ),
    ),
    ...compare("private memory of each service", "kB", perService),
    ...rssRow(mine),
  ];
}

function rssRow({ memory }: Measured): BenchRow[] {
  const value = inMb(memory.get(100)?.rssKb);
  return value === undefined ? [] : [{ name: "RSS with 100 services", value, unit: "MB", target: 20 }];
}

/** The same writer into a plain file, and under supervision with logs that are put aside all the time. */
async function measureLogs(aurora: Contender, writer: string): Promise<BenchRow[]> {
  if (LOG_ROUNDS === 0) return [];
  const plain: number[] = [];
  const supervised: number[] = [];
  const cpu: number[] = [];
  let wrongBytes = 0;
  let rotations = 0;
  for (let round = 0; round < LOG_ROUNDS; round++) {
    plain.push(await writePlain(writer));
    const run = await writeSupervised(aurora, writer);
    supervised.push(run.ms);
    cpu.push(run.cpu);
    wrongBytes += run.wrongBytes;
    rotations += run.rotations;
  }
  const ms = median(supervised);
  return [
    {
      name: "200 MB of log with rotation, the writer",
      value: ms,
      unit: "ms",
      ratio: ms / median(plain),
      against: "a plain file",
      target: 1.05,
    },
    { name: "200 MB of log with rotation, the supervisor's processor time", value: median(cpu), unit: "ms" },
    {
      name: `bytes lost, doubled or torn in ${rotations} rotations`,
      value: wrongBytes,
      unit: "bytes",
      target: 0,
    },
  ];
}

async function writePlain(writer: string): Promise<number> {
  const arena = new Arena();
  const file = openSync(`${arena.directory}/plain`, "a");
  try {
    const child = Bun.spawn([writer, String(LOG_BYTES), arena.pipe, "log"], { stdout: file });
    arena.waitFor(
      () => arena.pids.has("log"),
      LOG_LIMIT_MS,
      () => {},
    );
    child.kill("SIGKILL");
    await child.exited;
    return (arena.pids.get("log") as number) / 1000;
  } finally {
    closeSync(file);
    await arena.end();
  }
}

async function writeSupervised(aurora: Contender, writer: string) {
  const arena = new Arena();
  const { stdout } = serviceLogs(`${arena.home}/logs/log`);
  const kept = new KeptLogs(stdout, arena.directory);
  try {
    const argv = [writer, String(LOG_BYTES), arena.pipe, "log"];
    arena.start(aurora, [{ name: "log", argv }], () => kept.collect());
    const cpu = cpuMs([arena.pid]);
    const deadline = performance.now() + LOG_LIMIT_MS;
    // The last one is aside when neither the log is full nor its copy on the way.
    const isAtWork = () => statSync(stdout).size >= MAX_SERVICE_LOG_BYTES || existsSync(`${stdout}.full`);
    while (isAtWork() && performance.now() < deadline) await Bun.sleep(20);
    kept.collect();
    return {
      ms: (arena.pids.get("log") as number) / 1000,
      cpu,
      wrongBytes: kept.wrongBytes(),
      rotations: kept.count,
    };
  } finally {
    await arena.end();
  }
}

/** Holds fast what was put aside, before it is old enough to be removed. */
class KeptLogs {
  readonly #log: string;
  readonly #directory: string;
  readonly #names: string[] = [];
  readonly #inodes = new Set<number>();

  constructor(log: string, directory: string) {
    this.#log = log;
    this.#directory = directory;
  }

  get count(): number {
    return this.#names.length;
  }

  collect(): void {
    for (let age = KEPT_SERVICE_LOGS; age >= 1; age--) {
      const inode = statSync(`${this.#log}.${age}`, { throwIfNoEntry: false })?.ino;
      if (inode === undefined || this.#inodes.has(inode)) continue;
      const name = `${this.#directory}/kept-${this.#names.length}`;
      try {
        linkSync(`${this.#log}.${age}`, name);
      } catch {
        continue; // It has just become older.
      }
      const linked = statSync(name).ino;
      if (this.#inodes.has(linked)) {
        rmSync(name);
        continue;
      }
      this.#inodes.add(linked);
      this.#names.push(name);
    }
  }

  /** The bytes of all lines that are not what the writer has written at that place, and of those that are missing. */
  wrongBytes(): number {
    let expected = 0;
    let wrong = 0;
    // Two that were put aside between two looks may have been found in the wrong order.
    const files = [...this.#names, this.#log]
      .map((name) => readFileSync(name))
      .sort((a, b) => numberOf(a) - numberOf(b));
    for (const bytes of files)
      for (let at = 0; at < bytes.length; at += LINE_BYTES) {
        const line = bytes.subarray(at, at + LINE_BYTES);
        const number = numberOf(line);
        if (line.length !== LINE_BYTES || line.at(-1) !== 10 || Number.isNaN(number)) wrong += line.length;
        else {
          if (number !== expected) {
            console.error(`  a gap: ${number} where ${expected} was expected`);
            wrong += Math.abs(number - expected) * LINE_BYTES;
          }
          expected = number + 1;
        }
      }
    return wrong + (LOG_BYTES - expected * LINE_BYTES);
  }
}

function numberOf(line: Buffer): number {
  return line.length === 0 ? Infinity : Number(line.toString("latin1", 0, 12));
}

function inMb(kb: number | undefined): number | undefined {
  return kb === undefined ? undefined : kb / 1024;
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
