/** What a run costs over the bare runtime, and how fast output is taken in. `bun scripts/bench/process.ts` prints it. */
import { run } from "../../src/process/run.ts";
import { findProcesses } from "../../src/process/tree.ts";
import { skipped } from "./peer.ts";
import type { BenchRow } from "./row.ts";

const env = { PATH: "/usr/bin:/bin" };
const ROUNDS = 400;
const PYTHON_ROUNDS_PER_BATCH = 20;
const CAPTURE_BYTES = 1_000_000_000;
const CAPTURE_ROUNDS = 11;
/** A run against the bare runtime's spawn, which reads no output and looks after nothing. */
const TARGET_RATIO = 1.3;
/** Of the time that `cat > /dev/null` takes: 0.7 of its speed. */
const CAPTURE_TARGET_RATIO = 1.42;

export async function bench(): Promise<BenchRow[]> {
  return [...(await benchTrue()), ...(await benchCapture()), benchScan()];
}

/** The three take turns within one run, so that whatever else the machine does meets all of them. */
async function benchTrue(): Promise<BenchRow[]> {
  const times: Record<"run" | "spawn" | "pipes" | "python", number[]> = {
    run: [],
    spawn: [],
    pipes: [],
    python: [],
  };
  const python = startPython();
  for (let round = 0; round < ROUNDS; round++) {
    times.run.push(await timed(async () => await run({ argv: ["true"], cwd: "/", env })));
    times.spawn.push(
      await timed(
        async () => await Bun.spawn(["true"], { cwd: "/", env, stdout: "ignore", stderr: "ignore" }).exited,
      ),
    );
    times.pipes.push(
      await timed(async () => {
        const child = Bun.spawn(["true"], { cwd: "/", env, stdout: "pipe", stderr: "pipe" });
        await Promise.all([child.stdout.bytes(), child.stderr.bytes(), child.exited]);
      }),
    );
    if (python && round % PYTHON_ROUNDS_PER_BATCH === 0) times.python.push(...(await python.batch()));
  }
  python?.end();
  const ours = median(times.run);
  const against = (name: string, values: number[], target?: number): BenchRow[] =>
    values.length === 0
      ? []
      : [
          {
            name: "run true",
            value: ours,
            unit: "ms",
            ratio: ours / median(values),
            against: name,
            ...(target === undefined ? {} : { target }),
          },
        ];
  return [
    ...against("Bun.spawn, no output", times.spawn, TARGET_RATIO),
    ...against("Bun.spawn, output read", times.pipes),
    ...against("Python subprocess.run, output read", times.python),
  ];
}

/** A Python that runs `true` in batches and says how long each took, or undefined where there is none. */
function startPython() {
  if (Bun.which("python3") === null) return skipped("python3");
  const program = `
import subprocess, sys, time
for line in sys.stdin:
    for _ in range(int(line)):
        started = time.perf_counter()
        subprocess.run(["true"], cwd="/", capture_output=True, stdin=subprocess.DEVNULL)
        print((time.perf_counter() - started) * 1000, end=" ")
    print(flush=True)
`;
  const child = Bun.spawn(["python3", "-c", program], { stdin: "pipe", stdout: "pipe" });
  const reader = child.stdout.getReader();
  return {
    async batch(): Promise<number[]> {
      child.stdin.write(`${PYTHON_ROUNDS_PER_BATCH}\n`);
      await child.stdin.flush();
      let text = "";
      while (!text.endsWith("\n")) text += new TextDecoder().decode((await reader.read()).value);
      return text.trim().split(" ").map(Number);
    },
    end: () => void child.stdin.end(),
  };
}

async function benchCapture(): Promise<BenchRow[]> {
  const source = ["head", "-c", String(CAPTURE_BYTES), "/dev/zero"];
  const ours: number[] = [];
  const cat: number[] = [];
  for (let round = 0; round < CAPTURE_ROUNDS; round++) {
    ours.push(await timed(async () => await run({ argv: source, cwd: "/", env, maxBufferBytes: 1_000_000 })));
    const piped = ["sh", "-c", `${source.join(" ")} | cat > /dev/null`];
    cat.push(await timed(async () => await Bun.spawn(piped, { env }).exited));
  }
  // Each against its neighbour in time: a busy machine meets both.
  const ratios = ours.map((value, round) => value / (cat[round] as number));
  const row = { unit: "ms", against: "cat > /dev/null" };
  return [
    {
      ...row,
      name: "capture 1 GB",
      value: median(ours),
      ratio: median(ratios),
      target: CAPTURE_TARGET_RATIO,
    },
    {
      ...row,
      name: `capture 1 GB, worst of ${CAPTURE_ROUNDS}`,
      value: Math.max(...ours),
      ratio: Math.max(...ratios),
    },
  ];
}

function benchScan(): BenchRow {
  const times = Array.from({ length: 50 }, () => {
    const started = performance.now();
    findProcesses({ environment: { NO_SUCH_VARIABLE: "x" } });
    return performance.now() - started;
  });
  return { name: "look at every process", value: median(times), unit: "ms" };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

if (import.meta.main) console.table(await bench());
