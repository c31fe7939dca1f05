import { existsSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { packNeeds } from "../lifecycle/change.ts";
import { presentPacks, refuseUnconfirmed, refuseWithoutWayBack } from "../lifecycle/prepare.ts";
import { compileSteps } from "../lifecycle/steps.ts";
import { runTransaction, type TransactionEnd } from "../lifecycle/transaction.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { environmentOf } from "../registry/environment.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { changeExitCode } from "./shared/change-text.ts";
import { requireLivePack } from "./shared/packs.ts";
import { checkPackId, withHomeLock } from "./shared/workspace.ts";

type Result = TransactionEnd & { pack_id: string };

export function run(context: Context, { args: [packId = ""], options }: Input<"purge">): Promise<Result> {
  return withHomeLock(context, `remove ${packId}`, async (workspace) => {
    // What a removal has left can be purged later.
    if (!options.purge || !hasLeft(workspace, checkPackId(packId))) requireLivePack(workspace, packId);
    refuseUnconfirmed(workspace, [packId]);
    refuseWithoutWayBack(workspace, new Map([[packId, null]]));
    refuseWhileNeeded(workspace, packId);
    const needs = packNeeds(workspace, packId, null, { start: undefined });
    const plan = { steps: compileSteps([needs]), packs: [needs.pack], purge: options.purge === true };
    const end = await runTransaction(
      workspace,
      "remove",
      plan,
      { planDigest: "", by: null },
      { confirmWithinMs: undefined },
      (done) => done,
    );
    return { ...end, pack_id: packId };
  });
}

/** Whether there is anything of a pack that only a purge takes away. */
function hasLeft({ paths, registry }: Workspace, packId: string): boolean {
  const places = [paths.dataOf(packId), paths.logsOf(packId), paths.snapshotsOf(packId)];
  return places.some((path) => existsSync(path)) || environmentOf(registry, packId).length > 0;
}

function refuseWhileNeeded(workspace: Workspace, packId: string): void {
  const dependents = presentPacks(workspace)
    .filter(({ manifest }) => manifest.pack.dependencies.some(({ pack_id }) => pack_id === packId))
    .map(({ manifest }) => manifest.pack.id);
  if (dependents.length === 0) return;
  throw new AuroraError(
    "in-use",
    `cannot remove "${packId}": ${dependents.map((id) => `"${id}"`).join(", ")} ${dependents.length === 1 ? "depends" : "depend"} on it`,
    {
      hint: `remove ${dependents.join(", ")} first`,
    },
  );
}

export function render({ pack_id, state, reason }: Result, paint: Paint): string {
  return state === "committed" ? `${pack_id} is removed` : `${paint.red(state)}: ${reason}`;
}

export const exitCode = changeExitCode;
