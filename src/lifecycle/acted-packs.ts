import { serviceOf } from "../registry/services.ts";
import { bootId } from "../system/boot.ts";
import { observeService } from "./observe-service.ts";
import { type Workspace } from "./workspace.ts";

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
