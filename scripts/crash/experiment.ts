import { existsSync, mkdirSync } from "node:fs";

import { errorCodes } from "../../src/errors.ts";
import { runChild } from "../../src/lifecycle/selftest/run-child.ts";
import { removeTree } from "../../src/system/scratch.ts";
import { endProcessesAt } from "./end-processes.ts";
import { type HomeState, leftoversIn, readHomeState, treeFaults } from "./home-state.ts";
import { endTracer, type Inject, runInjected, type Traced, type Tracer } from "./injector.ts";
import { judge } from "./judge.ts";
import { type Operation } from "./operations.ts";
import { type PowerSlot } from "./power-slot.ts";
import { type Slot } from "./slot.ts";

export type Tools = { binary: string; injector: string; packs: string };

/** An operation with what is known of it before it is crashed. */
export type Subject = {
  operation: Operation;
  template: string;
  old: HomeState;
  changed: HomeState;
  points: string[];
  /** The call at which the interrupted command is killed, for recovery. */
  interruptedAt: number;
};

export type Finding = { operation: string; mode: string; at: number; call: string; faults: string[] };

const exitCodes = new Set<number>([0, ...Object.values(errorCodes).map(({ exit }) => exit)]);

/** Makes the home that an operation starts from, and runs it once without a fault to learn its calls and both states. */
export async function prepareSubject(
  tools: Tools,
  operation: Operation,
  slot: Slot,
  template: string,
): Promise<Subject> {
  removeTree(template);
  for (const argv of operation.prepare) await mustRun(tools, argv, template);
  for (const packId of operation.running) await mustRun(tools, ["stop", packId], template);
  await endProcessesAt(template);
  const subject: Subject = {
    operation,
    template,
    old: {} as HomeState,
    changed: {} as HomeState,
    points: [],
    interruptedAt: 0,
  };
  await restore(tools, subject, slot);
  subject.old = readHomeState(slot.home);
  if (operation.interrupted) {
    const whole = await inject(tools, operation.interrupted, slot, { mode: "count" });
    // Late, so that there is much to undo, but before the commit.
    subject.interruptedAt = Math.floor(whole.points.length * 0.85);
    await restore(tools, subject, slot);
    await interrupt(tools, subject, slot);
  }
  const clean = await inject(tools, operation.argv, slot, { mode: "count" });
  if (clean.exitCode !== 0) throw new Error(`${operation.name} fails without a fault: ${clean.stderr}`);
  await mustRun(tools, ["verify"], slot.home);
  subject.changed = readHomeState(slot.home);
  subject.points = clean.points;
  const faults = leftoversIn(slot.home);
  endTracer(clean.tracer);
  await endProcessesAt(slot.home);
  if (faults.length > 0) throw new Error(`${operation.name} leaves something behind: ${faults.join("; ")}`);
  return subject;
}

/** `wasHit` is false where the program took another way and never came to the point. */
export type Outcome = {
  wasHit: boolean;
  finding?: Finding;
  /** The injector itself was ended by somebody, so nothing was learned. */
  isVoid?: boolean;
};

/** What the injector ends with for trouble of its own. Aurora uses the code for `exec` and `run` alone, which are not crashed. */
const INJECTOR_FAILED = 125;

/**
 * One run of an operation with one fault, the next command, and the verdict. A power cut takes a slot with a file system of
 * its own; there the point behind the last one is the moment after the program's end.
 */
export async function experiment(
  tools: Tools,
  subject: Subject,
  slot: Slot | PowerSlot,
  mode: string,
  fault: Inject & { at: number },
): Promise<Outcome> {
  const { operation } = subject;
  const power = "powerOn" in slot ? slot : undefined;
  await restore(tools, subject, slot);
  const tracers = [await interrupt(tools, subject, slot)];
  power?.settle();
  const run = await inject(tools, operation.argv, slot, power ? { ...fault, mount: power.mount } : fault);
  tracers.push(run.tracer);
  const isAfterEnd = fault.at > subject.points.length;
  if (isAfterEnd) power?.cut(tools.injector);
  power?.powerOn(tracers);
  const call = subject.points[fault.at - 1] ?? "";
  const faults = [...faultsOfRun(run, fault, call)];
  const said = call === COMMIT_FLUSH ? undefined : whatItSaid(run);
  const isStuck = run.exitCode === errorCodes.stuck.exit && isOfScript(call);
  const hasRebooted = fault.mode === "cut-power" || fault.mode === "kill-all";
  // A command that only looks brings transactions to their end; `recover` also removes the scratch of the dead.
  await afterwards(tools, ["verify"], slot, faults);
  const verdictOn = (state: HomeState) =>
    judge(state, subject.old, subject.changed, { said, hasRebooted, isStuck });
  const state = await settledState(slot.home, (found) => verdictOn(found).length === 0);
  faults.push(...verdictOn(state));
  await afterwards(tools, ["recover"], slot, faults);
  const isUnchanged = (found: HomeState) => Bun.deepEquals(state, found);
  if (!isUnchanged(await settledState(slot.home, isUnchanged)))
    faults.push("a second recovery changes something");
  faults.push(...leftoversIn(slot.home), ...(power ? await treeFaults(slot.home) : []));
  for (const tracer of tracers) endTracer(tracer);
  await endProcessesAt(slot.home);
  if (run.exitCode === INJECTOR_FAILED) return { wasHit: false, isVoid: true };
  return {
    wasHit: run.wasHit || isAfterEnd,
    ...(faults.length > 0
      ? { finding: { operation: operation.name, mode, at: fault.at, call, faults } }
      : {}),
  };
}

/** Looks a few times: a process in the middle of an execve(2) has no environment to be known by. */
async function settledState(home: string, isRight: (state: HomeState) => boolean): Promise<HomeState> {
  for (let looks = 1; ; looks++) {
    const state = readHomeState(home);
    if (looks === MAX_LOOKS || isRight(state)) return state;
    await Bun.sleep(LOOK_MS);
  }
}
const MAX_LOOKS = 6;
const LOOK_MS = 20;

/**
 * SQLite flushes the home's directory when the rollback journal is created, where it takes a failure for nothing, and when it is
 * removed: then the change is made, and the command says that the disk has not confirmed it.
 */
const COMMIT_FLUSH = "fsync .";

/** A call by which a script of the packs changes its data: an error there is the script's to meet, and may leave it down. */
function isOfScript(call: string): boolean {
  return /^\w+ (store\/[0-9a-f]{64}\/)?data\//.test(call);
}

/** Several experiments at once keep a small machine busy. */
const HANGS = { hangsAfterMs: 60_000 };

/** Runs the next command; that it succeeds is part of what must hold. */
export async function afterwards(
  tools: Tools,
  argv: readonly string[],
  slot: Slot,
  faults: string[],
): Promise<void> {
  const { exitCode, hangs, stdout, stderr } = await runChild(tools.binary, argv, slot.home, HANGS);
  if (hangs) faults.push(`aurora ${argv.join(" ")} hangs`);
  else if (exitCode !== 0) faults.push(`aurora ${argv.join(" ")} ends with ${exitCode}: ${stdout} ${stderr}`);
}

/** What a program said of its end: a failure is the old state. One that was stopped may have printed its whole document before. */
function whatItSaid({ exitCode, stdout }: Traced): "old" | "new" | undefined {
  const isFailure = exitCode !== 0 && exitCode !== errorCodes.stuck.exit && exitCode < 124;
  if (isFailure) return "old";
  return stdout.endsWith("}\n") && exitCode !== 10 ? "new" : undefined;
}

/** What must hold of the command itself, whatever the home is like after it. */
function faultsOfRun({ exitCode, stderr, wasHit }: Traced, { mode }: Inject, call: string): string[] {
  const isKilled = mode === "kill" || mode === "kill-all" || mode === "torn" || mode === "cut-power";
  if (exitCode === 124) return [`it hangs: ${stderr}`];
  if (isKilled && exitCode === 128 + 9) return [];
  if (!exitCodes.has(exitCode) || exitCode === errorCodes.internal.exit)
    return [`it ends with ${exitCode}: ${stderr}`];
  if (exitCode !== 0 && exitCode !== 4 && exitCode !== 10 && !stderr.includes('"error":{'))
    return [`it ends with ${exitCode} and no message: ${stderr}`];
  // A health check that fails for its scratch is made again, in other scratch.
  const isFlush = /^(f(data)?sync|syncfs) (?!tmp\/health-)/.test(call) && call !== COMMIT_FLUSH;
  if (mode === "error" && wasHit && isFlush && exitCode === 0 && !stderr.includes("warning"))
    return ["it does not say that a flush has failed"];
  return [];
}

/** Puts the slot's home into the state before the operation, with the services that are to run. */
export async function restore(tools: Tools, { operation, template }: Subject, slot: Slot): Promise<void> {
  await endProcessesAt(slot.home);
  removeTree(slot.home);
  mkdirSync(slot.directory, { recursive: true });
  if (existsSync(template)) {
    const copied = Bun.spawn(["cp", "-a", template, slot.home], { stderr: "pipe" });
    if ((await copied.exited) !== 0) throw new Error(await copied.stderr.text());
  } else mkdirSync(slot.home, { mode: 0o700 });
  for (const packId of operation.running) await mustRun(tools, ["start", packId], slot.home);
}

/** For recovery: kills a command in its middle. Returns the tracer of what goes on. */
export async function interrupt(
  tools: Tools,
  { operation, interruptedAt }: Subject,
  slot: Slot,
): Promise<Tracer> {
  if (!operation.interrupted) return undefined;
  const { tracer } = await inject(tools, operation.interrupted, slot, { mode: "kill", at: interruptedAt });
  return tracer;
}

/** Runs an operation under the injector. */
export function inject(tools: Tools, argv: readonly string[], slot: Slot, fault: Inject): Promise<Traced> {
  // First, since what stands behind `--` is not for Aurora.
  const command = [tools.binary, "--json", "--no-input", ...withPacks(tools, argv)];
  return runInjected(tools.injector, command, slot.home, slot.directory, fault);
}

function withPacks({ packs }: Tools, argv: readonly string[]): string[] {
  return argv.map((word) => word.replace("PACKS", packs));
}

async function mustRun(tools: Tools, argv: readonly string[], home: string): Promise<void> {
  const { exitCode, stderr } = await runChild(tools.binary, withPacks(tools, argv), home, HANGS);
  if (exitCode !== 0) throw new Error(`aurora ${argv.join(" ")} ends with ${exitCode}: ${stderr}`);
}
