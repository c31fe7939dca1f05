import { AuroraError } from "../errors.ts";
import { tryHomeLock } from "../lifecycle/home-lock.ts";
import { type LivePack, soundLivePacks } from "../lifecycle/live-pack.ts";
import { observeService } from "../lifecycle/observe-service.ts";
import { dependencyOrder } from "../lifecycle/plan.ts";
import { isHosted } from "../lifecycle/service-host.ts";
import { stopService } from "../lifecycle/service.ts";
import { underHeldLock, withLockedHome } from "../lifecycle/settle.ts";
import { startHealthy } from "../lifecycle/start-packs.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { serviceOf, type ServiceRow, setService } from "../registry/services.ts";
import { bootId } from "../system/boot.ts";
import { atMost } from "./at-most.ts";
import { type ServiceKeeper } from "./service-keeper.ts";

/** Who is at work on the home when the machine comes up is waited for so long, in milliseconds. */
const LOCK_WAIT_MS = 60_000;

/**
 * Starts the oneshot packs that are wanted and that a restart of the machine, or an orderly end of all services, has taken
 * down: dependencies first, each one healthy before the next. One that fails is told of, and the others go on. Supervised
 * services are the supervisor's; those that depend on a pack started here wait for it.
 *
 * @param isFirst whether this is process 1: then nothing can have run before it
 */
export async function startAfterBoot(
  workspace: Workspace,
  keeper: ServiceKeeper,
  isFirst: boolean,
): Promise<void> {
  const findDue = () =>
    inOrder(workspace).filter(({ manifest }) => {
      const row = serviceOf(workspace.registry, manifest.pack.id);
      return !isHosted(manifest) && row !== undefined && isDown(row, isFirst);
    });
  if (findDue().length === 0) return;
  await withLockedHome(workspace, "start what is wanted", LOCK_WAIT_MS, async (locked) => {
    // Under the lock it may look otherwise: what a transaction has stopped for a moment is running again.
    for (const { manifest, script } of findDue()) {
      const { id } = manifest.pack;
      if (isFirst) forgetNumbers(locked, id);
      try {
        await startHealthy(locked, [script]);
        workspace.info(`started ${id}`);
      } catch (thrown) {
        if (!(thrown instanceof AuroraError)) throw thrown;
        workspace.warn(thrown.message);
      }
      keeper.dependencyChanged(id);
    }
  });
}

/** In a new container numbers begin anew: what is recorded of a pack's processes may name others, which are let be. */
function forgetNumbers({ registry }: Workspace, packId: string): void {
  const row = serviceOf(registry, packId);
  if (row) setService(registry, { ...row, state: "stopped", session: null, processes: "[]" });
}

/** Whether a oneshot pack is wanted, and was taken down rather than ended by itself. */
function isDown(row: ServiceRow, isFirst: boolean): boolean {
  if (row.wanted !== "running") return false;
  const boot = bootId();
  if (row.boot_id !== boot || row.state === "stopped") return true;
  return isFirst && observeService({ ...row, session: null }, boot).state !== "running";
}

/**
 * Stops all packs, dependents before what they depend on. They stay wanted: the next daemon starts them again. What is left at
 * the deadline gets SIGKILL.
 */
export async function stopEverything(
  workspace: Workspace,
  keeper: ServiceKeeper,
  deadlineMs: number,
): Promise<void> {
  // A command at work is about to end with the machine; nothing waits for it.
  using lock = tryHomeLock(workspace, "stop all services");
  const { underLock: _, ...opened } = workspace;
  const locked = lock ? underHeldLock(workspace, lock) : opened;
  const packs = inOrder(workspace);
  const running = packs.toReversed().filter(({ manifest }) => isUp(workspace, manifest.pack.id));
  // The supervisor keeps the order of its own services, and knows nothing of an order through others.
  const isThroughOthers = ({ manifest }: LivePack) => !isHosted(manifest) || needsOther(manifest, packs);
  if (running.some(isThroughOthers)) await atMost(deadlineMs, stopInTurn(locked, keeper, running));
  await keeper.stopAll(deadlineMs);
}

/** Whether a pack needs one whose service is not supervised, which may have ended by now. */
function needsOther({ pack }: LivePack["manifest"], packs: readonly LivePack[]): boolean {
  const others = packs.filter(({ manifest }) => !isHosted(manifest)).map(({ manifest }) => manifest.pack.id);
  return pack.dependencies.some(({ pack_id }) => others.includes(pack_id));
}

async function stopInTurn(
  workspace: Workspace,
  keeper: ServiceKeeper,
  packs: readonly LivePack[],
): Promise<void> {
  for (const { manifest, script } of packs) {
    try {
      if (isHosted(manifest)) await keeper.stop(manifest.pack.id);
      else await stopService(workspace, script, "running");
    } catch (thrown) {
      if (!(thrown instanceof AuroraError)) throw thrown;
      workspace.warn(thrown.message);
    }
  }
}

function isUp(workspace: Workspace, packId: string): boolean {
  const row = serviceOf(workspace.registry, packId);
  if (!row) return false;
  const { state, processes } = observeService(row, bootId());
  return state === "running" || processes.length > 0;
}

function inOrder(workspace: Workspace): LivePack[] {
  const packs = soundLivePacks(workspace);
  const byId = new Map(packs.map((pack) => [pack.manifest.pack.id, pack.script]));
  const places = new Map(dependencyOrder([...byId.keys()], byId).map((packId, place) => [packId, place]));
  const placeOf = ({ manifest }: LivePack) => places.get(manifest.pack.id) ?? 0;
  return packs.sort((a, b) => placeOf(a) - placeOf(b));
}
