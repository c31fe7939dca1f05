import { AuroraError } from "../errors.ts";
import { livePack } from "../registry/packs.ts";
import { type Health, serviceOf } from "../registry/services.ts";
import { verifyTree } from "../store/verify-tree.ts";
import { bootId } from "../system/boot.ts";
import { gateHealth } from "./health.ts";
import { hostOf, hostTimeoutMs } from "./hosted-service.ts";
import { observeService } from "./observe-service.ts";
import { dependencyOrder } from "./plan.ts";
import { outputTail, reasonOf, type ScriptPack } from "./script.ts";
import { isHosted } from "./service-host.ts";
import { startService, stopService } from "./service.ts";
import { type Workspace } from "./workspace.ts";

export type StartedPack = { pack_id: string; changed: boolean; health: Health };

/** Whether a pack's service is running now. */
export function isRunning(workspace: Workspace, packId: string): boolean {
  const row = serviceOf(workspace.registry, packId);
  if (row === undefined) return false;
  const { state, processes } = observeService(row, bootId());
  // A supervised service may take long until it is ready, and runs all the while.
  return state === "running" || (state === "starting" && processes.length > 0);
}

/**
 * Starts packs, dependencies first. One that runs already is left alone.
 *
 * @throws {AuroraError} `state-invalid` where the tree is damaged, `script-failed` for the first start that fails; those
 *   before it go on running
 */
export async function startPacks(workspace: Workspace, packs: readonly ScriptPack[]): Promise<StartedPack[]> {
  const started: StartedPack[] = [];
  for (const pack of inOrder(packs)) {
    const { id } = pack.manifest.pack;
    const host = hostOf(workspace, pack.manifest);
    if (isRunning(workspace, id)) {
      // It may run on without anybody who watches it.
      await host?.start(id, pack.generation, workspace.signal);
      started.push({
        pack_id: id,
        changed: false,
        health: serviceOf(workspace.registry, id)?.health ?? "unknown",
      });
      continue;
    }
    await refuseDamaged(workspace, id);
    // What an earlier start left behind must not run beside the new one.
    await stopService(workspace, pack, "running");
    const report = await startService(workspace, pack);
    if (report.rc !== 0) {
      if (workspace.signal.aborted)
        throw new AuroraError("interrupted", `stopped while "${id}" was starting`);
      throw new AuroraError("script-failed", `cannot start "${id}": ${reasonOf(report)}`, {
        diagnostics: outputTail(report) === "" ? [] : [{ message: outputTail(report) }],
        hint: `aurora logs ${id} shows what it printed`,
      });
    }
    started.push({ pack_id: id, changed: true, health: "unknown" });
  }
  return started;
}

/** Nothing runs from a tree that is not what was staged. */
async function refuseDamaged({ registry, paths }: Workspace, packId: string): Promise<void> {
  const digest = livePack(registry, packId)?.digest;
  if (digest === undefined) return;
  const { ok, problems } = await verifyTree(paths, digest, { full: false });
  if (ok) return;
  throw new AuroraError("state-invalid", `cannot start "${packId}": its stored tree is damaged`, {
    diagnostics: problems.map((message) => ({ message })),
    hint: "install that version from its source again, which replaces the tree, or roll back",
  });
}

/** Starts packs and waits until each is healthy. Throws `unhealthy` for the first that is not. */
export async function startHealthy(
  workspace: Workspace,
  packs: readonly ScriptPack[],
): Promise<StartedPack[]> {
  const started: StartedPack[] = [];
  for (const pack of inOrder(packs)) {
    const [one] = await startPacks(workspace, [pack]);
    if (!one) continue;
    if (one.changed) {
      const detail = await gateHealth(workspace, pack, workspace.signal);
      if (detail.reason !== null)
        throw new AuroraError("unhealthy", `"${one.pack_id}" was started, but ${detail.reason}`, {
          hint: `aurora logs ${one.pack_id} shows what it printed`,
        });
    }
    started.push({ ...one, health: serviceOf(workspace.registry, one.pack_id)?.health ?? "unknown" });
  }
  return started;
}

/**
 * Has the host stop those of the packs that it runs, dependents first, and writes nothing: they stay wanted.
 *
 * @returns their ids
 */
export async function stopHosted(
  workspace: Pick<Workspace, "services">,
  packs: readonly ScriptPack[],
): Promise<string[]> {
  const hosted = inOrder(packs)
    .toReversed()
    .filter(({ manifest }) => isHosted(manifest));
  for (const { manifest } of hosted)
    await workspace.services?.stop(manifest.pack.id, hostTimeoutMs(manifest));
  return hosted.map(({ manifest }) => manifest.pack.id);
}

/** Stops packs, dependents first. One that is stopped is left alone. */
export async function stopPacks(workspace: Workspace, packs: readonly ScriptPack[]): Promise<void> {
  for (const pack of inOrder(packs).toReversed()) await stopService(workspace, pack, "stopped");
}

/**
 * Stops packs, dependents first, and starts them again. What would keep one of them from its start is found before any is stopped.
 *
 * @throws {AuroraError} as `startPacks`
 */
export async function restartPacks(
  workspace: Workspace,
  packs: readonly ScriptPack[],
): Promise<StartedPack[]> {
  for (const { manifest } of inOrder(packs)) {
    hostOf(workspace, manifest);
    await refuseDamaged(workspace, manifest.pack.id);
  }
  await stopPacks(workspace, packs);
  return await startPacks(workspace, packs);
}

function inOrder(packs: readonly ScriptPack[]): ScriptPack[] {
  const byId = new Map(packs.map((pack) => [pack.manifest.pack.id, pack]));
  return dependencyOrder([...byId.keys()], byId).map((packId) => byId.get(packId) as ScriptPack);
}
