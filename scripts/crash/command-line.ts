import { existsSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { everyMode, isMode, killModes, modeMeanings } from "./modes.ts";
import { type Operation, operations } from "./operations.ts";
import { type Sample } from "./sample.ts";

const DEFAULT_POINTS = 12;

export type CommandLine = {
  binary: string;
  sample: Sample;
  endsOnly: boolean;
  operations: Operation[];
  modes: string[];
  jobs: number;
  json: string | undefined;
  scratch: string;
};

/** A command line that cannot be understood; the message is for the person who typed it. */
export class UsageError extends Error {}

/** @throws {UsageError} */
export function readCommandLine(argv: readonly string[]): CommandLine | "help" {
  const values = parsed(argv);
  if (values.help) return "help";
  if (!existsSync(values.binary))
    throw new UsageError("give the compiled program: --binary PATH (bun run build makes one)");
  return {
    binary: resolve(values.binary),
    sample: sampleFrom(values),
    endsOnly: values["ends-only"],
    operations: chosen(
      "operation",
      values.operations,
      operations.map(({ name }) => name),
    ).flatMap((name) => operations.filter((operation) => operation.name === name)),
    modes: values.modes === "all" ? [...everyMode] : chosen("mode", values.modes, killModes, isMode),
    jobs: countFrom("--jobs", values.jobs),
    json: values.json,
    scratch: resolve(values.scratch),
  };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        binary: { type: "string", default: Bun.env["AURORA_BINARY"] ?? "" },
        full: { type: "boolean", default: false },
        points: { type: "string" },
        every: { type: "string" },
        from: { type: "string" },
        "ends-only": { type: "boolean", default: false },
        operations: { type: "string" },
        modes: { type: "string" },
        jobs: { type: "string", default: String(availableParallelism()) },
        json: { type: "string" },
        // In memory where there is a place: what is proved here is the order of the calls, not the disk.
        scratch: { type: "string", default: existsSync("/dev/shm") ? "/dev/shm" : tmpdir() },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (thrown) {
    throw new UsageError((thrown as Error).message);
  }
}

type Sizes = { full: boolean } & Partial<Record<"points" | "every" | "from", string>>;

function sampleFrom({ full, points, every, from }: Sizes): Sample {
  if ([full, points !== undefined, every !== undefined].filter(Boolean).length > 1)
    throw new UsageError("--full, --points and --every exclude each other");
  if (from !== undefined && every === undefined) throw new UsageError("--from needs --every");
  if (every !== undefined)
    return { every: countFrom("--every", every), from: countFrom("--from", from ?? "1") };
  if (full) return { every: 1, from: 1 };
  return { points: points === undefined ? DEFAULT_POINTS : countFrom("--points", points) };
}

function countFrom(option: string, text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new UsageError(`${option} takes a number of at least 1, and not "${text}"`);
}

/** The names of a list with commas, each of which has to be known; all of them where there is no list. */
function chosen(
  noun: string,
  list: string | undefined,
  all: readonly string[],
  isKnown = (name: string) => all.includes(name),
): string[] {
  if (list === undefined) return [...all];
  const names = list.split(",");
  for (const name of names)
    if (!isKnown(name)) throw new UsageError(`there is no ${noun} "${name}": see --help`);
  return names;
}

export function helpText(): string {
  return `Crashes Aurora at every system call that changes a file, in every way there is, and looks at what is left.

Usage: bun run crashtest --binary PATH [OPTION…]

Options:
  --binary PATH        the compiled program (default: $AURORA_BINARY); bun run build makes one
  --points N           so many points of each operation and mode, spread evenly (default: ${DEFAULT_POINTS})
  --full               all points
  --every K [--from N] each K-th point, beginning with the N-th (default: the first)
  --ends-only          of writes in a row to the same file only the first and the last: a third to a half of the points
  --operations A,B     only these operations (default: all)
  --modes A,B          these modes, or "all": every one that has to hold (default: ${killModes[0]} to ${killModes.at(-1)})
  --jobs N             so many at a time (default: one for each processor)
  --json FILE          write the results there too, after each operation and mode
  --scratch DIR        where the homes are (default: /dev/shm, else the directory for temporary files)
  -h, --help           print this

Operations:
${operations.map(({ name }) => `  ${name}`).join("\n")}

Modes, what happens at the point:
${modeMeanings.map(([modes, meaning]) => `  ${modes}\n      ${meaning}`).join("\n")}

Needs Linux, a C compiler (cc) and the right to trace; power- and blocks- modes also root, loop devices and the file system's
own mkfs, blocks- modes FUSE. What is not possible here is skipped, and said so. One point takes 0.1 to 1 s.

Prints one line for each operation and mode: how many calls change a file, how many of them were tried, how many were missed
since the program took another way, how many ended whole and how many broken. What is broken goes to stderr at once.

Exit code: 0 every experiment ended in the old or the new state, whole; 1 one did not; 2 it cannot be run here, or wrong usage.

Examples:
  bun run crashtest --binary dist/aurora
  bun run crashtest --binary dist/aurora --full --operations "install upgrade,rollback" --modes kill,EIO --json result.json
  bun run crashtest --binary dist/aurora --every 7 --from 3 --modes model-killed,power-ext4
`;
}
