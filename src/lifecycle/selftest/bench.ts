import { existsSync, mkdirSync, writeFileSync } from "node:fs";

import { AuroraError } from "../../errors.ts";
import { cloneTree } from "../../system/clone-tree.ts";
import { type HomePaths, homePaths } from "../../system/home.ts";
import { removeTree } from "../../system/scratch.ts";
import { type Fault, type Operation, operations } from "./operations.ts";
import { FIRST_PATIENCE_MS, patienceAfter } from "./patience.ts";
import { type Child, runChild } from "./run-child.ts";
import { judge, readState, type State } from "./state.ts";

/** An operation with what is known of it before anything goes wrong. */
export type Subject = { operation: Operation; old: State; changed: State; steps: number; durationMs: number };

/** A place for one experiment at a time. */
export type Slot = { paths: HomePaths };

/** Where the self test works: homes to begin with, packs, and slots for experiments, all in one scratch directory. */
export type Bench = {
  self: string;
  directory: string;
  packs: string;
  slots: Slot[];
  /** What takes longer hangs, in milliseconds. */
  hangsAfterMs: number;
};

/** Late in an upgrade, so that recovery has much to undo. */
const INTERRUPTED_AT = 0.8;

/** Makes the homes that the operations begin with. */
export async function prepareBench(self: string, directory: string, slots: number): Promise<Bench> {
  const bench: Bench = {
    self,
    directory,
    packs: `${directory}/packs`,
    slots: Array.from({ length: slots }, (_, index) => ({
      paths: homePaths(`${directory}/slot${index}/home`),
    })),
    hangsAfterMs: FIRST_PATIENCE_MS,
  };
  for (const version of ["1", "2"]) writePack(`${bench.packs}/${version}`, `${version}.0.0`);
  const [slot] = bench.slots as [Slot, ...Slot[]];
  const { home } = slot.paths;
  restore(bench, "empty", home);
  keepTemplate(bench, "empty", home);
  const first = await mustRun(bench, ["install", `${bench.packs}/1`], home);
  writeData(home, "written by version 1\n");
  keepTemplate(bench, "installed", home);
  const second = await mustRun(bench, ["install", `${bench.packs}/2`], home);
  bench.hangsAfterMs = patienceAfter([first, second]);
  writeData(home, "written by version 2\n");
  keepTemplate(bench, "upgraded", home);
  restore(bench, "installed", home);
  const upgrade = operations.find(({ name }) => name === "upgrade") as Operation;
  const { steps } = await change(bench, upgrade, home, "none", 0);
  restore(bench, "installed", home);
  await change(bench, upgrade, home, "kill", Math.round(steps * INTERRUPTED_AT));
  keepTemplate(bench, "interrupted", home);
  return bench;
}

/** Makes a change once without a fault, to learn its steps and both states. */
export async function prepareSubject(bench: Bench, operation: Operation, { paths }: Slot): Promise<Subject> {
  restore(bench, operation.template, paths.home);
  if (operation.template === "interrupted") await recover(bench, paths.home);
  const old = await readState(paths);
  restore(bench, operation.template, paths.home);
  const began = performance.now();
  const { child, steps } = await change(bench, operation, paths.home, "none", 0);
  const durationMs = performance.now() - began;
  if (child.exitCode !== 0) throw failed(operation.name, child);
  const changed = await readState(paths);
  return { operation, old, changed, steps, durationMs };
}

/** One change with one fault, the next command, and what is wrong then. */
export async function experiment(
  bench: Bench,
  { operation, old, changed }: Subject,
  { paths }: Slot,
  fault: Fault,
  at: number,
): Promise<string[]> {
  restore(bench, operation.template, paths.home);
  const { child } = await change(bench, operation, paths.home, fault, at);
  return await faultsAfter(bench, paths, child, old, changed);
}

/** The same, stopped by somebody who does not know where it is: also in the middle of what the database does. */
export async function stopAnywhere(
  bench: Bench,
  { operation, old, changed }: Subject,
  { paths }: Slot,
  afterMs: number,
): Promise<string[]> {
  restore(bench, operation.template, paths.home);
  const argv = ["selftest-step", "none", "0", operation.name, bench.packs];
  const child = await runChild(bench.self, argv, paths.home, { killAfterMs: afterMs });
  return await faultsAfter(bench, paths, child, old, changed);
}

async function faultsAfter(
  bench: Bench,
  paths: HomePaths,
  child: Child,
  old: State,
  changed: State,
): Promise<string[]> {
  if (child.hangs) return ["it hangs"];
  if (!child.wasKilled && child.exitCode !== 0 && !child.stderr.includes('"error":{') && child.exitCode !== 4)
    return [`it failed without a message: ${child.stderr}`];
  const next = await recover(bench, paths.home);
  if (next.hangs) return ["the next command hangs"];
  if (next.exitCode !== 0) return [`the next command fails: ${next.stderr}`];
  try {
    return judge(await readState(paths), old, changed, !child.wasKilled && child.exitCode === 0);
  } catch (thrown) {
    if (thrown instanceof AuroraError) return [thrown.message];
    throw thrown;
  }
}

/** Puts a home into the state that an operation begins with. */
export function restore({ directory }: Bench, template: Operation["template"], home: string): void {
  removeTree(home);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const from = `${directory}/templates/${template}`;
  if (!existsSync(from)) return;
  removeTree(home);
  cloneTree(from, home);
}

function keepTemplate({ directory }: Bench, template: Operation["template"], home: string): void {
  mkdirSync(`${directory}/templates`, { recursive: true });
  cloneTree(home, `${directory}/templates/${template}`);
}

async function change(bench: Bench, { name }: Operation, home: string, fault: Fault, at: number) {
  const argv = ["selftest-step", fault, String(at), name, bench.packs];
  const child = await runChild(bench.self, argv, home, bench);
  const steps =
    child.exitCode === 0 && !child.wasKilled ? (JSON.parse(child.stdout) as { steps: number }).steps : 0;
  return { child, steps };
}

function recover(bench: Bench, home: string): Promise<Child> {
  return runChild(bench.self, ["recover"], home, bench);
}

/** Returns how long it has taken, in milliseconds. */
async function mustRun(bench: Bench, argv: readonly string[], home: string): Promise<number> {
  const began = performance.now();
  const child = await runChild(bench.self, argv, home, bench);
  if (child.exitCode !== 0) throw failed(argv[0] ?? "", child);
  return performance.now() - began;
}

function failed(what: string, { exitCode, stderr, hangs }: Child): AuroraError {
  if (hangs) return new AuroraError("failed", `cannot run the self test: ${what} does not come to an end`);
  const isFull = stderr.includes('"no-space"');
  return new AuroraError(
    isFull ? "no-space" : "failed",
    isFull
      ? "cannot run the self test: no space left on the device"
      : `cannot run the self test: ${what} ends with exit code ${exitCode}: ${stderr.trim()}`,
    isFull ? { hint: "free some space and run the command again" } : {},
  );
}

function writeData(home: string, text: string): void {
  mkdirSync(`${home}/data/app`, { recursive: true });
  writeFileSync(`${home}/data/app/notes`, text);
}

/** A pack without scripts, so that nothing but the disk is tried. */
function writePack(directory: string, version: string): void {
  mkdirSync(`${directory}/lib`, { recursive: true });
  for (const name of ["a", "b", "c"]) writeFileSync(`${directory}/lib/${name}`, `${name} of ${version}\n`);
  writeFileSync(`${directory}/large`, Buffer.alloc(300_000, version));
  writeFileSync(
    `${directory}/manifest.yaml`,
    `schema_version: aurora-manifest-v1
pack:
  id: app
  name: Self test
  version: ${version}
  safety: { dry_run_supported: false, operator_approval_required: false }
  data: { snapshot: true }
`,
  );
}
