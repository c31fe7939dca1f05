import { type Usage, type UsageGroup, usageOf } from "../process/usage.ts";
import { services } from "../registry/services.ts";
import { type PackStatus } from "./pack-status.ts";
import { type Workspace } from "./workspace.ts";

/** What the processes of running packs use now; packs without processes are not in it. */
export function packUsage({ registry }: Workspace, statuses: readonly PackStatus[]): Map<string, Usage> {
  const sessions = new Map(services(registry).map(({ pack_id, session }) => [pack_id, session]));
  const groups = new Map<string, UsageGroup>();
  for (const { pack_id, pid } of statuses) {
    const session = sessions.get(pack_id);
    if (pid !== null) groups.set(pack_id, { pids: [pid], sessions: session ? [session] : [] });
  }
  return usageOf(groups);
}
