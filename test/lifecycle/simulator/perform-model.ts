import { type Step, type TransactionPlan } from "../../../src/lifecycle/steps.ts";
import { type Data, packOf, type World } from "./world.ts";

/** Work on the model: after each `yield` it may be killed for good, or told to fail. */
export type Work = Generator<void, void>;

/** The steps of a transaction on the model, in the same small changes, in the same order, as on the disk. */
export function* performModel(world: World, plan: TransactionPlan, step: Step): Work {
  const packId = step.pack_id;
  const { to } = packOf(plan, packId);
  if (step.kind === "install") {
    changeData(world, packId, (data) => data.byInstall++);
    yield;
  } else if (step.kind === "stop") yield* stopModel(world, packId);
  else if (step.kind === "snapshot") yield* snapshotModel(world, packId);
  else if (step.kind === "restore")
    yield* restoreModel(world, packId, { byOld: 0, byNew: 0, byInstall: 0, isRestored: true });
  else if (step.kind === "switch") yield* switchModel(world, packId, to?.digest ?? null);
  else if (step.kind === "start" && to) yield* startModel(world, packId, to);
  else yield* healthModel(world, packId);
}

export function* undoModel(world: World, plan: TransactionPlan, step: Step): Work {
  const packId = step.pack_id;
  const { from, was_running, was_tried } = packOf(plan, packId);
  if (step.kind === "start") yield* stopModel(world, packId);
  else if (step.kind === "switch") yield* switchModel(world, packId, from?.digest ?? null);
  else if (step.kind === "snapshot") yield* moveBackModel(world, packId);
  else if (step.kind === "stop" && (was_running || was_tried) && from) {
    const service = world.registry.services.get(packId);
    if (service && service.state !== "stopped") yield* stopModel(world, packId);
    yield* startModel(world, packId, from);
    if (was_running) yield* healthModel(world, packId);
  }
}

export function* stopModel(world: World, packId: string): Work {
  const service = world.registry.services.get(packId);
  if (!service) return;
  world.registry.services.set(packId, { ...service, state: "stopping" });
  yield;
  world.processes = world.processes.filter(({ serviceId }) => serviceId !== service.serviceId);
  world.healthy.delete(service.serviceId);
  yield;
  world.registry.services.set(packId, { ...service, state: "stopped" });
  yield;
}

export function* startModel(
  world: World,
  packId: string,
  { generation, digest }: { generation: number; digest: string },
): Work {
  const serviceId = world.nextServiceId++;
  const row = { wanted: "running", generation, serviceId } as const;
  world.registry.services.set(packId, { ...row, state: "starting" });
  yield;
  world.processes.push({ pack_id: packId, serviceId, digest });
  yield;
  world.registry.services.set(packId, { ...row, state: "running" });
  yield;
}

export function* healthModel(world: World, packId: string): Work {
  yield;
  const service = world.registry.services.get(packId);
  if (service) world.healthy.add(service.serviceId);
}

function* switchModel(world: World, packId: string, digest: string | null): Work {
  if (digest === null) world.live.delete(packId);
  else {
    const temporary = `live/temporary.${packId}`;
    world.scratch.add(temporary);
    try {
      yield;
      world.live.set(packId, digest);
    } finally {
      // Also where the rename fails; but not where the program is killed.
      world.scratch.delete(temporary);
    }
  }
  yield;
}

export function* snapshotModel(world: World, packId: string): Work {
  if (world.snapshots.has(packId)) return;
  const partial = `snapshots/${packId}.partial`;
  world.scratch.add(partial);
  const data = world.data.get(packId);
  yield;
  if (data !== undefined && data !== "absent") world.snapshots.set(packId, { ...data });
  world.scratch.delete(partial);
  yield;
}

function* moveBackModel(world: World, packId: string): Work {
  const snapshot = world.snapshots.get(packId);
  if (!snapshot) return;
  yield* replaceModel(world, packId, snapshot, () => world.snapshots.delete(packId));
}

function* restoreModel(world: World, packId: string, earlier: Data): Work {
  const fresh = `snapshots/${packId}.restored`;
  world.scratch.add(fresh);
  yield;
  yield* replaceModel(world, packId, earlier, () => world.scratch.delete(fresh));
}

function* replaceModel(world: World, packId: string, by: Data, takeAway: () => void): Work {
  const replaced = `snapshots/${packId}.replaced`;
  if (world.data.get(packId) !== "absent") world.scratch.add(replaced);
  world.data.set(packId, "absent");
  yield;
  world.data.set(packId, { ...by });
  takeAway();
  yield;
  world.scratch.delete(replaced);
  yield;
}

function changeData(world: World, packId: string, change: (data: Data) => void): void {
  const data = world.data.get(packId);
  if (data !== undefined && data !== "absent") change(data);
}
