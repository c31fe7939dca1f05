import { formatDuration } from "../system/units.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { checkPacks, type PackHealth } from "./shared/check-packs.ts";
import { selectLivePacks } from "./shared/packs.ts";
import { printedLines } from "./shared/printed-lines.ts";
import { openForReading } from "./shared/workspace.ts";

type Result = { healthy: boolean; packs: PackHealth[] };

export async function run(context: Context, { args }: Input): Promise<Result> {
  using workspace = await openForReading(context);
  const packs = await checkPacks(workspace, selectLivePacks(workspace, args), context.signal);
  return { healthy: packs.every(({ health }) => health === "healthy"), packs };
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
