import { type StepKind } from "../../../src/lifecycle/steps.ts";
import {
  healthModel,
  performModel,
  snapshotModel,
  startModel,
  stopModel,
  undoModel,
} from "./perform-model.ts";
import { type Mutation, realRules, type Rules } from "./rules.ts";
import { packOf } from "./world.ts";

const undoWithout = (kind: StepKind): Partial<Rules> => ({
  *undo(world, plan, step) {
    if (step.kind !== kind) yield* undoModel(world, plan, step);
  },
});

/** Mistakes in what is done: the undo of each step, the registry, the cleanup. */
export const workMutations: readonly Mutation[] = [
  // What each undo must do.
  [
    "forgets to stop what it started",
    /two services|runs and should not|while its service/,
    undoWithout("start"),
  ],
  ["forgets to switch back", /and live\/|starts from/, undoWithout("switch")],
  ["forgets to bring the data back", /version that failed has written/, undoWithout("snapshot")],
  ["forgets to start the old service", /ran before and does not run/, undoWithout("stop")],
  [
    "starts the old service without a look",
    /two services/,
    {
      *undo(world, plan, step) {
        const { from, was_running } = packOf(plan, step.pack_id);
        if (step.kind !== "stop" || !was_running || !from) return yield* undoModel(world, plan, step);
        yield* startModel(world, step.pack_id, from);
        yield* healthModel(world, step.pack_id);
      },
    },
  ],
  [
    "starts what did not run before",
    /runs and should not/,
    {
      *undo(world, plan, step) {
        const { from } = packOf(plan, step.pack_id);
        if (step.kind !== "stop" || !from) return yield* undoModel(world, plan, step);
        yield* stopModel(world, step.pack_id);
        yield* startModel(world, step.pack_id, from);
      },
    },
  ],
  [
    "does not wait until the old service is healthy",
    /before .* is healthy/,
    {
      *undo(world, plan, step) {
        const { from, was_running } = packOf(plan, step.pack_id);
        if (step.kind !== "stop" || !was_running || !from) return yield* undoModel(world, plan, step);
        yield* stopModel(world, step.pack_id);
        yield* startModel(world, step.pack_id, from);
      },
    },
  ],
  [
    "drops the snapshot as soon as it is restored",
    /data of .* (is gone|lacks|is lost)|leftovers|without its data/,
    {
      *undo(world, plan, step) {
        if (step.kind !== "snapshot") return yield* undoModel(world, plan, step);
        const snapshot = world.snapshots.get(step.pack_id);
        if (!snapshot) return;
        world.snapshots.delete(step.pack_id);
        world.data.set(step.pack_id, "absent");
        yield;
        world.data.set(step.pack_id, { ...snapshot });
        yield;
      },
    },
  ],
  [
    "forgets to bring back the data that a rollback is for",
    /data of another generation/,
    {
      *perform(world, plan, step) {
        if (step.kind !== "restore") yield* performModel(world, plan, step);
      },
    },
  ],
  [
    "the commit drops the snapshot that a later rollback needs",
    /for a later rollback/,
    {
      *cleanUp(world, plan) {
        for (const { pack_id } of plan.packs) world.snapshots.delete(pack_id);
        yield* realRules.cleanUp(world, plan);
      },
    },
  ],
  [
    "removes the new link and makes the old one",
    /neither the old nor the new/,
    {
      *perform(world, plan, step) {
        const { from, to } = packOf(plan, step.pack_id);
        if (step.kind !== "switch" || !from || !to) return yield* performModel(world, plan, step);
        world.live.delete(step.pack_id);
        yield;
        world.live.set(step.pack_id, to.digest);
        yield;
      },
    },
  ],
  [
    "names the snapshot before it is whole",
    /lacks|version that failed|is lost/,
    {
      *perform(world, plan, step) {
        if (step.kind !== "snapshot") return yield* performModel(world, plan, step);
        world.snapshots.set(step.pack_id, { byOld: 0, byNew: 0, byInstall: 0, isRestored: false });
        yield;
        world.snapshots.delete(step.pack_id);
        yield* snapshotModel(world, step.pack_id);
      },
    },
  ],
  [
    "records the service only once it runs",
    /runs and should not|two services|data of another generation|without its data/,
    {
      *perform(world, plan, step) {
        const { to } = packOf(plan, step.pack_id);
        if (step.kind !== "start" || !to) return yield* performModel(world, plan, step);
        const serviceId = world.nextServiceId++;
        world.processes.push({ pack_id: step.pack_id, serviceId, digest: to.digest });
        yield;
        world.registry.services.set(step.pack_id, {
          wanted: "running",
          state: "running",
          generation: to.generation,
          serviceId,
        });
        yield;
      },
    },
  ],

  // The registry and the end.
  [
    "the registry changes with the switch",
    /the registry says/,
    {
      *perform(world, plan, step) {
        yield* performModel(world, plan, step);
        const { to } = packOf(plan, step.pack_id);
        if (step.kind === "switch" && to) world.registry.packs.set(step.pack_id, to);
      },
    },
  ],
  [
    "commits pack by pack",
    /the registry says/,
    {
      commit(world, plan) {
        realRules.commit(world, { ...plan, packs: plan.packs.slice(0, Math.max(1, plan.packs.length - 1)) });
      },
    },
  ],
  [
    "a rollback keeps the new generation in the registry",
    /the registry says|is recorded at/,
    {
      finishBack(world, _plan, state) {
        Object.assign(world.registry, {
          state,
          finished: true,
          cleanup: state === "rolled-back",
          confirm: null,
        });
        for (const { pack_id, to } of _plan.packs) if (to) world.registry.packs.set(pack_id, to);
      },
    },
  ],
  [
    "a removal forgets only the pack",
    /is not recorded as wanted/,
    {
      commit(world, plan) {
        const services = new Map(world.registry.services);
        realRules.commit(world, plan);
        world.registry.services = services;
      },
    },
  ],
  [
    "cleans up before the end is recorded",
    /version that failed|lacks|is gone|without its data|for a later rollback/,
    {
      *perform(world, plan, step) {
        yield* performModel(world, plan, step);
        if (step.kind === "start") world.snapshots.delete(step.pack_id);
      },
    },
  ],
  [
    "a stuck transaction drops its snapshots",
    /is lost/,
    {
      finishBack(world, plan, state) {
        realRules.finishBack(world, plan, state);
        world.registry.cleanup = true;
      },
    },
  ],
  [
    "leaves the snapshots behind",
    /leftovers/,
    {
      *cleanUp(world) {
        world.registry.cleanup = false;
        yield;
      },
    },
  ],
];
