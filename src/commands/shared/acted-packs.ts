import { observeService } from "../../lifecycle/observe-service.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { serviceOf } from "../../registry/services.ts";
import { bootId } from "../../system/boot.ts";

export type ActedPack = { pack_id: string; state: string; pid: number | null; changed: boolean };

/** What packs are after `start`, `stop` or `restart`. */
export function actedPacks(
  workspace: Workspace,
  acted: readonly { pack_id: string; changed: boolean }[],
): ActedPack[] {
  const boot = bootId();
  return acted.map(({ pack_id, changed }) => {
    const row = serviceOf(workspace.registry, pack_id);
    if (!row) return { pack_id, state: "installed", pid: null, changed };
    const { state, processes } = observeService(row, boot);
    return { pack_id, state, pid: processes[0]?.pid ?? null, changed };
  });
}

export function renderActed(packs: ActedPack[]): string {
  return packs
    .map(
      ({ pack_id, state, pid, changed }) =>
        `${pack_id} is ${changed ? "" : "already "}${state}${pid === null ? "" : ` (pid ${pid})`}`,
    )
    .join("\n");
}
