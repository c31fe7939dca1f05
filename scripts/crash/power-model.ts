import { readFileSync } from "node:fs";

import { removeTree } from "../../src/system/scratch.ts";
import { endProcessesAt } from "./end-processes.ts";
import {
  afterwards,
  type Finding,
  inject,
  interrupt,
  restore,
  type Subject,
  type Tools,
} from "./experiment.ts";
import { type HomeState, leftoversIn, readHomeState, treeFaults } from "./home-state.ts";
import { endTracer } from "./injector.ts";
import { judge } from "./judge.ts";
import { legalStates, legalStatesAfterEnd, makeState } from "./legal-states.ts";
import { type Slot } from "./slot.ts";
import { readNodes, readTrace, type Trace } from "./trace.ts";

export type ModelResult = { calls: number; states: number; checked: number; findings: Finding[] };

/** Flushes that are left out of the trace, as if the program had forgotten them: the model has to notice. */
export type Forgotten = "file" | "directory" | undefined;

/**
 * Records one run of an operation, makes every state that a power cut may leave by the model, and looks whether the next
 * command ends in the old or the new state. Needs neither root nor mounts, and is the only one of the tests that notices a
 * directory which is never flushed: real journalling file systems hide that.
 *
 * @param pick chooses the states that are tried
 */
export async function tryLegalStates(
  tools: Tools,
  subject: Subject,
  mode: string,
  slots: readonly Slot[],
  forgotten: Forgotten,
  pick: <T>(states: readonly T[]) => T[],
  onFinding: (finding: Finding) => void,
): Promise<ModelResult> {
  const [first] = slots as [Slot, ...Slot[]];
  await restore(tools, subject, first);
  const tracer = await interrupt(tools, subject, first);
  const before = readNodes(first.home);
  const record = `${first.directory}/record`;
  const run = await inject(tools, subject.operation.argv, first, { mode: "record", record });
  endTracer(tracer);
  endTracer(run.tracer);
  await endProcessesAt(first.home);
  const trace = readTrace(readFileSync(record, "utf8"), first.home, before);
  trace.changes = trace.changes.filter(
    (change) =>
      forgotten === undefined || !(change.kind === "sync" && trace.nodes[change.node]?.type === forgotten),
  );
  const states = legalStates(trace);
  const queue = pick(states);
  const checked = queue.length;
  const findings: Finding[] = [];
  await Promise.all(
    slots.map(async (slot) => {
      for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
        removeTree(slot.home);
        makeState(trace, state, slot.home);
        const faults = await faultsOfState(tools, subject, slot, state.isAfterEnd);
        await endProcessesAt(slot.home);
        if (faults.length === 0) continue;
        const finding = {
          operation: subject.operation.name,
          mode,
          at: 0,
          call: state.label,
          faults,
        };
        findings.push(finding);
        onFinding(finding);
      }
    }),
  );
  return { calls: run.points.length, states: states.length, checked, findings };
}

/** So many of the states after each kill are tried: the first is what was flushed and nothing else. */
const STATES_AFTER_KILL = 8;

/**
 * Kills an operation right before one of its flushes, lets the next command come to its end, and then cuts the power by the model:
 * what the next command has found, and taken for durable because it was there, must be there.
 *
 * @param pick chooses the flushes
 */
export async function tryKilledThenCut(
  tools: Tools,
  subject: Subject,
  mode: string,
  slots: readonly Slot[],
  pick: <T>(flushes: readonly T[]) => T[],
  onFinding: (finding: Finding) => void,
): Promise<Omit<ModelResult, "states">> {
  const flushes = subject.points.flatMap((call, index) => (/^f?(data)?sync/.test(call) ? [index + 1] : []));
  const queue = pick(flushes);
  const findings: Finding[] = [];
  let checked = 0;
  await Promise.all(
    slots.map(async (slot) => {
      for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
        const { trace, reached } = await recordKilled(tools, subject, slot, at);
        const { again } = subject.operation;
        const old = again === undefined ? withoutOnlyStaged(reached, subject.old) : reached;
        for (const state of legalStatesAfterEnd(trace).slice(0, STATES_AFTER_KILL)) {
          removeTree(slot.home);
          makeState(trace, state, slot.home);
          checked++;
          const faults = await faultsOfState(tools, { old, changed: reached }, slot, again !== undefined);
          await endProcessesAt(slot.home);
          if (faults.length === 0) continue;
          const finding = { operation: subject.operation.name, mode, at, call: state.label, faults };
          findings.push(finding);
          onFinding(finding);
        }
      }
    }),
  );
  return { calls: subject.points.length, checked, findings };
}

/**
 * What recovery has found without the trees that the killed command had staged and that nothing names: nobody has said that
 * they are there, and nothing was built on them.
 */
export function withoutOnlyStaged(reached: HomeState, before: HomeState): HomeState {
  const named = new Set([...before.trees, ...Object.values(reached.packs).map(({ digest }) => digest)]);
  return { ...reached, trees: reached.trees.filter((digest) => named.has(digest)) };
}

/** The trace of a command that is killed and of the next one, with the state that they have reached. */
async function recordKilled(
  tools: Tools,
  subject: Subject,
  slot: Slot,
  at: number,
): Promise<{ trace: Trace; reached: HomeState }> {
  await restore(tools, subject, slot);
  const tracers = [await interrupt(tools, subject, slot)];
  const before = readNodes(slot.home);
  const { argv, again = ["recover"] } = subject.operation;
  let records = "";
  for (const [command, kill] of [
    [argv, { at }],
    [again, {}],
  ] as const) {
    const record = `${slot.directory}/record`;
    const run = await inject(tools, command, slot, { mode: "record", record, ...kill });
    tracers.push(run.tracer);
    records += readFileSync(record, "utf8");
  }
  const reached = readHomeState(slot.home);
  for (const tracer of tracers) endTracer(tracer);
  await endProcessesAt(slot.home);
  return { trace: readTrace(records, slot.home, before), reached };
}

/** The next commands on a home that a power cut has left, and what is wrong after them. */
export async function faultsOfState(
  tools: Tools,
  { old, changed }: Pick<Subject, "old" | "changed">,
  slot: Slot,
  isAfterEnd: boolean,
): Promise<string[]> {
  const faults: string[] = [];
  await afterwards(tools, ["verify"], slot, faults);
  await afterwards(tools, ["recover"], slot, faults);
  if (faults.length > 0) return faults; // The database may not even be readable.
  const said = isAfterEnd ? "new" : undefined;
  return [
    ...judge(readHomeState(slot.home), old, changed, { said, hasRebooted: true, hasForeignData: true }),
    ...leftoversIn(slot.home),
    ...(await treeFaults(slot.home)),
  ];
}
