import { MAX_UNDO_ATTEMPTS } from "../../../src/lifecycle/runner.ts";
import { type TransactionPlan } from "../../../src/lifecycle/steps.ts";
import { packOf, type Process, type SimulatedPack, type World } from "./world.ts";

/** What is known about a history beside the state of its world. */
export type Facts = {
  hasUndoFailed: boolean;
  wasRebooted: boolean;
  /** How much the old version had written when it was last seen alive, by pack. */
  writtenByOld: Map<string, number>;
};

/** An invariant that does not hold; the message names it. */
export class Violation extends Error {}

/** What must hold after every single change, whatever crashes or fails around it. */
export function checkMoment(
  before: readonly Process[],
  world: World,
  packs: readonly SimulatedPack[],
  plan: TransactionPlan,
  facts: Facts,
): void {
  for (const { pack_id, pack } of packs) {
    const running = world.processes.filter((process) => process.pack_id === pack_id);
    if (running.length > 1) throw new Violation(`two services of ${pack_id} run at once`);
    const live = world.live.get(pack_id) ?? null;
    if (live !== (pack.from?.digest ?? null) && live !== (pack.to?.digest ?? null))
      throw new Violation(`live/${pack_id} is neither the old nor the new tree: ${live}`);
    const recorded = world.registry.packs.get(pack_id)?.digest ?? null;
    const isCommitted = world.registry.state === "committed" || world.registry.state === "unconfirmed";
    if (recorded !== ((isCommitted ? pack.to : pack.from)?.digest ?? null))
      throw new Violation(`the registry says ${recorded} for ${pack_id} while ${world.registry.state}`);
    const data = world.data.get(pack_id);
    if (running.length > 0 && data === "absent") throw new Violation(`${pack_id} runs without its data`);
    const isRestored = data !== undefined && data !== "absent" && data.isRestored;
    for (const { digest } of running)
      if (isRestored !== (pack.restore !== null && digest === pack.to?.digest))
        throw new Violation(`${digest} runs on the data of another generation`);
  }
  for (const process of world.processes)
    if (!before.includes(process)) checkStarted(process, world, packs, plan, facts);
  for (const process of before)
    if (!world.processes.includes(process)) checkStopped(process, world, packs, plan, facts);
}

/** A service starts in the tree that is live, after those that it depends on are healthy. */
function checkStarted(
  { pack_id, digest }: Process,
  world: World,
  packs: readonly SimulatedPack[],
  plan: TransactionPlan,
  facts: Facts,
): void {
  if (world.live.get(pack_id) !== digest)
    throw new Violation(`${pack_id} starts from ${digest}, and live is ${world.live.get(pack_id)}`);
  if (facts.hasUndoFailed || facts.wasRebooted) return;
  const isNew = digest === packOf(plan, pack_id).to?.digest;
  for (const other of packs.find((pack) => pack.pack_id === pack_id)?.dependsOn ?? []) {
    const needed = packs.find((pack) => pack.pack_id === other) as SimulatedPack;
    if (!(isNew ? needed.start : needed.pack.was_running)) continue;
    const wanted = (isNew ? needed.pack.to : needed.pack.from)?.digest;
    const isThere = world.processes.some(
      (process) => process.digest === wanted && world.healthy.has(process.serviceId),
    );
    if (!isThere && !hasCrashedTooOften(world))
      throw new Violation(`${pack_id} starts before ${other}, which it depends on, is healthy`);
  }
}

/** A service stops after those that depend on it. */
function checkStopped(
  { pack_id, digest }: Process,
  world: World,
  packs: readonly SimulatedPack[],
  plan: TransactionPlan,
  facts: Facts,
): void {
  if (facts.hasUndoFailed || facts.wasRebooted) return;
  const isNew = digest === packOf(plan, pack_id).to?.digest;
  for (const { pack_id: other, pack, dependsOn } of packs) {
    if (!dependsOn.includes(pack_id)) continue;
    const sameSide = (isNew ? pack.to : pack.from)?.digest;
    // After a crash in the middle of stopping, the last one stopped is stopped again: those after it are down already.
    if (world.processes.some((process) => process.pack_id === other && process.digest === sameSide))
      throw new Violation(`${pack_id} stops while ${other}, which depends on it, runs`);
  }
}

/** What must hold at the start of a step. */
export function checkStep(
  kind: string,
  packId: string,
  world: World,
  plan: TransactionPlan,
  facts: Facts,
): void {
  const running = world.processes.some(({ pack_id }) => pack_id === packId);
  if (kind === "install" && !running && packOf(plan, packId).was_running && !facts.wasRebooted)
    throw new Violation(`the old ${packId} is stopped while the install script runs`);
  if ((kind === "snapshot" || kind === "restore" || kind === "switch") && running)
    throw new Violation(`${kind} of ${packId} while its service runs`);
}

/** What must hold when everything has come to its end. */
export function checkEnd(world: World, packs: readonly SimulatedPack[], facts: Facts): void {
  const { registry } = world;
  if (registry.state === "running") throw new Violation("it ended while it was running");
  if (registry.finished && registry.cleanup) throw new Violation("the cleanup is still to be done");
  if (registry.state === "stuck") {
    if (!facts.hasUndoFailed && !hasCrashedTooOften(world))
      throw new Violation("it is stuck although every undo has worked");
    return checkEvidence(world, packs, facts);
  }
  if (facts.hasUndoFailed) throw new Violation(`an undo has failed, and it ends ${registry.state}`);
  if (registry.finished && world.scratch.size > 0)
    throw new Violation(`leftovers: ${[...world.scratch].join(", ")}`);
  const isNew = registry.state === "committed" || registry.state === "unconfirmed";
  for (const { pack_id, pack, start, wantsSnapshot } of packs) {
    const hasSnapshot = wantsSnapshot || pack.restore !== null;
    if (isNew && hasSnapshot && !world.snapshots.has(pack_id))
      throw new Violation(`the data of ${pack_id} is lost for a later rollback`);
    if (!(isNew && hasSnapshot) && world.snapshots.has(pack_id))
      throw new Violation(`leftovers: the snapshot of ${pack_id}`);
    const side = isNew ? pack.to : pack.from;
    if ((world.live.get(pack_id) ?? null) !== (side?.digest ?? null))
      throw new Violation(`${registry.state}, and live/${pack_id} is ${world.live.get(pack_id)}`);
    const recorded = registry.packs.get(pack_id);
    if ((recorded?.generation ?? null) !== (side?.generation ?? null))
      throw new Violation(`${registry.state}, and ${pack_id} is recorded at ${recorded?.generation}`);
    checkService(
      world,
      pack_id,
      side?.digest ?? null,
      isNew ? start : pack.was_running || pack.was_tried,
      facts,
    );
    checkData(world, pack_id, pack.restore !== null && isNew, !isNew && hasSnapshot, facts);
  }
}

/** What is stuck is for a person to mend: the data of each pack must still be there, in its place or in a snapshot. */
function checkEvidence(world: World, packs: readonly SimulatedPack[], facts: Facts): void {
  for (const { pack_id } of packs) {
    const written = facts.writtenByOld.get(pack_id) ?? 0;
    const data = world.data.get(pack_id);
    const copies = [world.snapshots.get(pack_id), data === "absent" ? undefined : data];
    if (!copies.some((copy) => copy !== undefined && !copy.isRestored && copy.byOld >= written))
      throw new Violation(`it is stuck, and the data of ${pack_id} is lost`);
  }
}

function checkService(
  world: World,
  packId: string,
  digest: string | null,
  isWanted: boolean,
  facts: Facts,
): void {
  const running = world.processes.filter(({ pack_id }) => pack_id === packId);
  const service = world.registry.services.get(packId);
  if (running.some((process) => process.digest !== digest || !isWanted))
    throw new Violation(`${packId} runs and should not: ${running.map((process) => process.digest).join()}`);
  if (isWanted && running.length === 0 && !facts.wasRebooted)
    throw new Violation(`${packId} ran before and does not run`);
  if (digest === null ? service !== undefined : isWanted && service?.wanted !== "running")
    throw new Violation(`${packId} is not recorded as wanted: ${service?.wanted}`);
  if (running.length > 0 && (service?.state !== "running" || service.serviceId !== running[0]?.serviceId))
    throw new Violation(`${packId} runs, and the registry says ${service?.state}`);
}

function checkData(
  world: World,
  packId: string,
  isOfEarlier: boolean,
  isPutBack: boolean,
  facts: Facts,
): void {
  const data = world.data.get(packId);
  if (data === undefined || data === "absent") throw new Violation(`the data of ${packId} is gone`);
  if (data.isRestored !== isOfEarlier)
    throw new Violation(`the data of ${packId} is that of another generation`);
  if (!isOfEarlier && data.byOld < (facts.writtenByOld.get(packId) ?? 0))
    throw new Violation(`the data of ${packId} lacks what its old version had written`);
  if (isPutBack && data.byNew > 0)
    throw new Violation(`the data of ${packId} holds what the version that failed has written`);
}

/** An undo that was begun as often as allowed and never came to an end. */
function hasCrashedTooOften({ registry }: World): boolean {
  const begun = new Map<number, number>();
  for (const { step, status } of registry.journal)
    if (status === "undo-begin") begun.set(step, (begun.get(step) ?? 0) + 1);
    else if (status === "undo-put-off") begun.set(step, (begun.get(step) ?? 0) - 1);
  return [...begun].some(
    ([step, times]) =>
      times >= MAX_UNDO_ATTEMPTS &&
      !registry.journal.some((entry) => entry.step === step && entry.status === "undo-done"),
  );
}
