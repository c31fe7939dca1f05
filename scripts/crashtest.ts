/**
 * Crashes Aurora at every system call that changes a file, in every way there is, and looks at what is left.
 *
 *   bun run crashtest --binary PATH [--full | --points N] [--operations A,B] [--modes A,B|all] [--jobs N] [--json FILE] [--scratch DIR]
 *
 * Without --full a sample of the points of each operation and mode is taken, spread evenly. Exit code 0 where every
 * experiment ended in the old or the new state, whole; 1 where one did not; 2 where the test cannot be run here. The modes
 * power-ext4 and power-xfs need root, since they mount file systems of their own and cut them off; those that replay a disk
 * (blocks-ext4, blocks-xfs, blocks-btrfs) need FUSE too. A signal ends it with everything that it has started and mounted.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, constants, tmpdir } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { blocksProblem } from "./crash/block-power.ts";
import { runCrashTest } from "./crash/crash-test.ts";
import { endProcessesAt } from "./crash/end-processes.ts";
import { buildInjector } from "./crash/injector.ts";
import { blockModes, blocksOf, fileSystemOf, KILLED_THEN_CUT, killModes, powerModes } from "./crash/modes.ts";
import { operations } from "./crash/operations.ts";
import { cutProblem, inOwnMounts, powerProblem, unmountBelow } from "./crash/power-slot.ts";
import { table } from "./crash/report.ts";
import { writeTestPacks } from "./crash/test-packs.ts";

const DEFAULT_POINTS = 12;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const { values } = parseArgs({
  options: {
    binary: { type: "string", default: Bun.env["AURORA_BINARY"] ?? "" },
    full: { type: "boolean", default: false },
    points: { type: "string", default: String(DEFAULT_POINTS) },
    operations: { type: "string" },
    modes: { type: "string", default: killModes.join(",") },
    jobs: { type: "string", default: String(availableParallelism()) },
    json: { type: "string" },
    // In memory where there is a place: what is proved here is the order of the calls, not the disk.
    scratch: { type: "string", default: existsSync("/dev/shm") ? "/dev/shm" : tmpdir() },
  },
});
if (!existsSync(values.binary)) {
  console.error("give the compiled program: --binary PATH (bun run build makes one)");
  process.exit(2);
}
const named =
  values.modes === "all"
    ? [...killModes, "model", KILLED_THEN_CUT, ...powerModes, ...blockModes]
    : values.modes.split(",");
const isPossible = (mode: string, problem: string | undefined) => {
  if (problem !== undefined) console.error(`${mode} is skipped: ${problem}`);
  return problem === undefined;
};
const modes = named.filter((mode) => {
  const fileSystem = blocksOf(mode)?.fileSystem ?? fileSystemOf(mode);
  return isPossible(mode, fileSystem && powerProblem(fileSystem));
});
if (modes.some((mode) => blocksOf(mode) ?? fileSystemOf(mode))) {
  const code = await inOwnMounts(SIGNALS);
  if (code !== undefined) process.exit(code);
}
const directory = mkdtempSync(`${resolve(values.scratch)}/aurora-crash-`);
const injector = buildInjector(`${directory}/bin`);
/** Also of what an experiment that was cut short has left. */
const dispose = () => {
  endProcessesAt(directory);
  unmountBelow(directory);
  rmSync(directory, { recursive: true, force: true });
};
for (const signal of SIGNALS)
  process.on(signal, () => {
    dispose();
    process.exit(128 + constants.signals[signal]);
  });
let exitCode = 2;
try {
  if ("reason" in injector) console.error(`skipped: ${injector.reason}`);
  else {
    const names = values.operations?.split(",");
    const possible = modes.filter((mode) => {
      const [blocks, cut] = [blocksOf(mode), fileSystemOf(mode)];
      return isPossible(
        mode,
        blocks
          ? blocksProblem(blocks.fileSystem, `${directory}/trial`)
          : cut && cutProblem(cut, injector.path, `${directory}/trial`),
      );
    });
    const results = await runCrashTest({
      tools: {
        binary: resolve(values.binary),
        injector: injector.path,
        packs: writeTestPacks(`${directory}/packs`),
      },
      operations: operations.filter(({ name }) => names === undefined || names.includes(name)),
      modes: possible,
      maxPoints: values.full ? Number.POSITIVE_INFINITY : Number(values.points),
      jobs: Number(values.jobs),
      directory,
      onFinding: ({ operation, mode, at, call, faults }) =>
        console.error(`${operation}, ${mode} at ${at} (${call}):\n  ${faults.join("\n  ")}`),
      // A full run takes hours: what there is stays, whatever ends it.
      onResult: (results) => {
        if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 1)}\n`);
      },
    });
    console.log(table(results));
    exitCode = results.some(({ findings }) => findings.length > 0) ? 1 : 0;
  }
} finally {
  dispose();
}
process.exit(exitCode);
