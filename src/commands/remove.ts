import { existsSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { packNeeds } from "../lifecycle/change.ts";
import { presentPacks } from "../lifecycle/prepare.ts";
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
    if (options.purge !== true || !hasLeftOvers(workspace, checkPackId(packId)))
      requireLivePack(workspace, packId);
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

/** What a removal has kept goes with a later one, and so does what was given to a pack that was never installed. */
function hasLeftOvers({ paths, registry }: Workspace, packId: string): boolean {
  return (
    environmentOf(registry, packId).length > 0 ||
    [paths.dataOf(packId), paths.logsOf(packId), paths.snapshotsOf(packId)].some((path) => existsSync(path))
  );
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
