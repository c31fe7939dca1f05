import { type ChangeResult } from "../lifecycle/change.ts";
import { startHealthy } from "../lifecycle/start-packs.ts";
import { type Context, type Input } from "./command.ts";
import { changeExitCode, renderChange } from "./shared/change-text.ts";
import { installFlow } from "./shared/install-flow.ts";
import { selectLivePacks } from "./shared/packs.ts";
import { withHomeLock } from "./shared/workspace.ts";

type EnsureInput = Input<
  "no-start" | "retry" | "allow-all" | "require-confinement",
  "approve" | "confirm-within"
>;

/** Like install, and where nothing is to be installed it also brings the services into the wanted state. */
export async function run(context: Context, { args, options }: EnsureInput): Promise<ChangeResult> {
  const result = await installFlow(context, args, {
    approve: options.approve,
    retry: options.retry === true,
    allowAll: options["allow-all"] === true,
    requireConfinement: options["require-confinement"] === true,
    confirmWithin: options["confirm-within"],
    change: { start: options["no-start"] !== true },
  });
  if (result.changed || result.state !== "committed" || options["no-start"] === true) return result;
  const packIds = result.packs.map(({ pack_id }) => pack_id);
  return await withHomeLock(context, `start ${packIds.join(" ")}`, async (workspace) => {
    workspace.requireConfinement = options["require-confinement"] === true;
    const packs = selectLivePacks(workspace, packIds);
    const started = await startHealthy(
      workspace,
      packs.map(({ script }) => script),
    );
    if (started.every(({ changed }) => !changed)) return result;
    return {
      ...result,
      changed: true,
      reason: null,
      packs: result.packs.map((pack) => ({
        ...pack,
        health: started.find(({ pack_id }) => pack_id === pack.pack_id)?.health ?? pack.health,
      })),
    };
  });
}

export const render = renderChange;
export const exitCode = changeExitCode;
