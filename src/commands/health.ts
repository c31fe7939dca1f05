import { AuroraError } from "../errors.ts";
import { checkHealth, type HealthReport, recordHealth, whyUnhealthy } from "../lifecycle/health.ts";
import { isRunning } from "../lifecycle/start-packs.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { openRegistry } from "../registry/registry.ts";
import { isHomeWritable } from "../system/ensure-home.ts";
import { formatDuration } from "../system/units.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { selectLivePacks } from "./shared/packs.ts";
import { printedLines } from "./shared/printed-lines.ts";
import { openForReading } from "./shared/workspace.ts";

type PackHealth = Omit<HealthReport, "detail"> & { pack_id: string; detail: string | null };
type Result = { healthy: boolean; packs: PackHealth[] };

/** Runs the health checks now. Nothing is locked: a check may be made while a transaction is at work. */
export async function run(context: Context, { args }: Input): Promise<Result> {
  using workspace = await openForReading(context);
  const packs: PackHealth[] = [];
  for (const { row, script } of selectLivePacks(workspace, args)) {
    const report = isRunning(workspace, row.pack_id)
      ? await checkHealth(workspace, script, context.signal)
      : { health: "unhealthy" as const, rc: null, duration_ms: 0, output: "", detail: "it is not running" };
    packs.push({ pack_id: row.pack_id, ...report });
  }
  if (isHomeWritable(workspace.paths) && packs.length > 0) note(context, workspace, packs);
  return { healthy: packs.every(({ health }) => health === "healthy"), packs };
}

/** What was asked for is known by now: a full disk is no reason to keep it back. */
function note(context: Context, workspace: Workspace, packs: readonly PackHealth[]): void {
  try {
    using registry = openRegistry(workspace.paths);
    for (const { pack_id, ...report } of packs)
      recordHealth({ ...workspace, registry }, pack_id, report.health, whyUnhealthy(report));
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    context.log.warn(`how healthy they are cannot be noted: ${thrown.message}`);
  }
}

export function render({ packs }: Result, paint: Paint): string {
  if (packs.length === 0) return "nothing is installed";
  const colors = { healthy: paint.green, unhealthy: paint.red, unknown: paint.yellow };
  return packs
    .flatMap(({ pack_id, health, detail, output, duration_ms }) => [
      `${pack_id}  ${colors[health](health)}${duration_ms === 0 ? "" : `  ${formatDuration(duration_ms)}`}${detail === null ? "" : `  ${detail}`}`,
      ...(health === "unhealthy" ? printedLines(output, "    ") : []),
    ])
    .join("\n");
}

export function exitCode({ healthy }: Result): number {
  return healthy ? 0 : 4;
}
