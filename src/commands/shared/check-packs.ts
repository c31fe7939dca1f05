import { AuroraError } from "../../errors.ts";
import { checkHealth, type HealthReport, recordHealth, whyUnhealthy } from "../../lifecycle/health.ts";
import { type LivePack } from "../../lifecycle/live-pack.ts";
import { isRunning } from "../../lifecycle/start-packs.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { openRegistry } from "../../registry/registry.ts";
import { isHomeWritable } from "../../system/ensure-home.ts";

export type PackHealth = HealthReport & { pack_id: string };

/**
 * Runs the health checks of packs now, and records what they find where the home can be written. Nothing is locked: a check may
 * be made while a transaction is at work.
 */
export async function checkPacks(
  workspace: Workspace,
  packs: readonly LivePack[],
  signal: AbortSignal,
): Promise<PackHealth[]> {
  const found: PackHealth[] = [];
  for (const { row, script } of packs) {
    const report = isRunning(workspace, row.pack_id)
      ? await checkHealth(workspace, script, signal)
      : { health: "unhealthy" as const, rc: null, duration_ms: 0, output: "", detail: "it is not running" };
    found.push({ pack_id: row.pack_id, ...report });
  }
  if (found.length > 0 && !signal.aborted && isHomeWritable(workspace.paths)) note(workspace, found);
  return found;
}

/** What was asked for is known by now: a full disk is no reason to keep it back. */
function note(workspace: Workspace, found: readonly PackHealth[]): void {
  try {
    using registry = openRegistry(workspace.paths);
    for (const { pack_id, ...report } of found)
      recordHealth({ ...workspace, registry }, pack_id, report.health, whyUnhealthy(report));
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    workspace.warn(`how healthy they are cannot be noted: ${thrown.message}`);
  }
}
