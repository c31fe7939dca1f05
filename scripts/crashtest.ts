/**
 * Crashes Aurora at every system call that changes a file, in every way there is, and looks at what is left:
 * `bun run crashtest --help` says how. A signal ends it with everything that it has started and mounted.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { constants } from "node:os";

import { removeTree } from "../src/system/scratch.ts";
import { blocksProblem } from "./crash/block-power.ts";
import { type CommandLine, helpText, readCommandLine, UsageError } from "./crash/command-line.ts";
import { runCrashTest } from "./crash/crash-test.ts";
import { endProcessesNowAt } from "./crash/end-processes.ts";
import { buildInjector } from "./crash/injector.ts";
import { blocksOf, fileSystemOf } from "./crash/modes.ts";
import { inOwnNamespaces } from "./crash/own-namespaces.ts";
import { cutProblem, powerProblem, unmountBelow } from "./crash/power-slot.ts";
import { table } from "./crash/report.ts";
import { writeTestPacks } from "./crash/test-packs.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const given = commandLine();
const isPossible = (mode: string, problem: string | undefined) => {
  if (problem !== undefined) console.error(`${mode} is skipped: ${problem}`);
  return problem === undefined;
};
const modes = given.modes.filter((mode) => {
  const fileSystem = blocksOf(mode)?.fileSystem ?? fileSystemOf(mode);
  return isPossible(mode, fileSystem && powerProblem(fileSystem));
});
const code = await inOwnNamespaces(SIGNALS);
if (code !== undefined) process.exit(code);
const directory = mkdtempSync(`${given.scratch}/aurora-crash-`);
const injector = buildInjector(`${directory}/bin`);
/** Also of what an experiment that was cut short has left. */
const dispose = () => {
  endProcessesNowAt(directory);
  unmountBelow(directory);
  removeTree(directory);
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
        binary: given.binary,
        injector: injector.path,
        packs: writeTestPacks(`${directory}/packs`),
      },
      operations: given.operations,
      modes: possible,
      sample: given.sample,
      endsOnly: given.endsOnly,
      jobs: given.jobs,
      directory,
      onFinding: ({ operation, mode, at, call, faults }) =>
        console.error(`${operation}, ${mode} at ${at} (${call}):\n  ${faults.join("\n  ")}`),
      // A full run takes hours: what there is stays, whatever ends it.
      onResult: (results) => {
        if (given.json !== undefined) writeFileSync(given.json, `${JSON.stringify(results, null, 1)}\n`);
      },
    });
    console.log(table(results));
    exitCode = results.some(({ findings }) => findings.length > 0) ? 1 : 0;
  }
} finally {
  dispose();
}
process.exit(exitCode);

/** Ends the program where there is nothing to be done. */
function commandLine(): CommandLine {
  try {
    const line = readCommandLine(Bun.argv.slice(2));
    if (line !== "help") return line;
    process.stdout.write(helpText());
    process.exit(0);
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
    console.error(thrown.message);
    process.exit(2);
  }
}
