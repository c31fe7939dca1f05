import { join } from "node:path";

import { buildInjector } from "../../scripts/crash/injector.ts";
import { collect, type Run, scratch } from "../support/aurora.ts";

/** By then it hangs: it is stopped, and takes away what it has mounted before the test ends. */
const LONGEST_MS = 15 * 60_000;
/** How long a test with one sample may take, in milliseconds. */
export const TIMEOUT_MS = LONGEST_MS + 60_000;

const binary = Bun.env["AURORA_BINARY"];

/** Why nothing can be crashed here: it needs AURORA_BINARY, a C compiler and the right to trace. */
export const problem = binary === undefined ? "AURORA_BINARY names no compiled program" : injectorProblem();

function injectorProblem(): string | undefined {
  using directory = scratch();
  const built = buildInjector(directory.path);
  return "reason" in built ? built.reason : undefined;
}

/** What the name of a test that is skipped ends with. */
export const suffix = (reason: string | undefined) => (reason === undefined ? "" : ` (skipped: ${reason})`);

/** A sample of the crash test on the compiled program: `bun scripts/crashtest.ts --full` is all of it. */
export async function crashTest(args: readonly string[]): Promise<Run> {
  const script = join(import.meta.dir, "../../scripts/crashtest.ts");
  const child = Bun.spawn([process.execPath, script, "--binary", binary ?? "", ...args], {
    stdout: "pipe",
    stderr: "pipe",
    timeout: LONGEST_MS,
  });
  return await collect(child);
}
