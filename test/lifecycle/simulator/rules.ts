import { nextAction } from "../../../src/lifecycle/runner.ts";
import { settlementOf } from "../../../src/lifecycle/settlement.ts";
import { compileSteps, type TransactionPlan } from "../../../src/lifecycle/steps.ts";
import { performModel, undoModel, type Work } from "./perform-model.ts";
import { type World } from "./world.ts";

/** All that decides in a history. The real ones, and the model of what touches the disk; a mutant changes one of them. */
export type Rules = {
  compileSteps: typeof compileSteps;
  nextAction: typeof nextAction;
  settlementOf: typeof settlementOf;
  perform: typeof performModel;
  undo: typeof undoModel;
  commit: (world: World, plan: TransactionPlan) => void;
  finishBack: (world: World, plan: TransactionPlan, state: "rolled-back" | "stuck") => void;
  cleanUp: (world: World, plan: TransactionPlan) => Work;
  /** Whether recovery says in the journal that it goes back, before it does anything. */
  notesAbort: boolean;
};

/** A name, what must notice it, and what is changed. */
export type Mutation = readonly [name: string, caughtBy: RegExp, change: Partial<Rules>];

export const realRules: Rules = {
  compileSteps,
  nextAction,
  settlementOf,
  perform: performModel,
  undo: undoModel,
  commit: commitModel,
  finishBack: finishBackModel,
  cleanUp: cleanUpModel,
  notesAbort: true,
};

/** One database transaction: no crash can come between its lines. */
function commitModel(world: World, plan: TransactionPlan): void {
  const { registry } = world;
  for (const { pack_id, to } of plan.packs) {
    if (to) {
      registry.packs.set(pack_id, { generation: to.generation, digest: to.digest });
      const isStarted = plan.steps.some((step) => step.kind === "start" && step.pack_id === pack_id);
      const row = registry.services.get(pack_id);
      if (row && !isStarted)
        registry.services.set(pack_id, { ...row, wanted: "stopped", generation: to.generation });
    } else {
      registry.packs.delete(pack_id);
      registry.services.delete(pack_id);
    }
  }
  registry.state = registry.confirm === null ? "committed" : "unconfirmed";
  registry.finished = registry.confirm === null;
  registry.cleanup = registry.confirm === null;
}

function finishBackModel(world: World, plan: TransactionPlan, state: "rolled-back" | "stuck"): void {
  const { registry } = world;
  for (const { pack_id, from, was_running, was_tried } of plan.packs) {
    if (from) {
      registry.packs.set(pack_id, { generation: from.generation, digest: from.digest });
      const row = registry.services.get(pack_id);
      if (row && !was_running && !was_tried)
        registry.services.set(pack_id, {
          ...row,
          generation: from.generation,
          wanted: "stopped",
          state: "stopped",
        });
    } else {
      registry.packs.delete(pack_id);
      registry.services.delete(pack_id);
    }
  }
  registry.state = state;
  registry.finished = true;
  registry.cleanup = state === "rolled-back";
  registry.confirm = null;
}

function* cleanUpModel(world: World, plan: TransactionPlan): Work {
  for (const { pack_id } of plan.packs) {
    if (world.registry.state !== "committed") world.snapshots.delete(pack_id);
    yield;
    for (const name of ["partial", "restored", "replaced"])
      world.scratch.delete(`snapshots/${pack_id}.${name}`);
    yield;
  }
  world.registry.cleanup = false;
  yield;
}
