import { AuroraError } from "../errors.ts";
import { collectGarbage, DEFAULT_KEEP, type GcReport } from "../lifecycle/collect-garbage.ts";
import { formatSize } from "../system/units.ts";
import { type Context, type Input } from "./command.ts";
import { withHomeLock } from "./shared/workspace.ts";

/** More generations than this are never asked for by a person. */
const MAX_KEEP = 1000;

export function run(context: Context, { options }: Input<"dry-run", "keep">): Promise<GcReport> {
  const keep = options.keep === undefined ? DEFAULT_KEEP : Number(options.keep);
  if (!/^\d*$/.test(options.keep ?? "") || keep < 1 || keep > MAX_KEEP)
    throw new AuroraError(
      "usage",
      `cannot read --keep "${options.keep}": it is not a number from 1 to ${MAX_KEEP}`,
    );
  return withHomeLock(context, "gc", async (workspace) =>
    collectGarbage(workspace, keep, options["dry-run"] === true),
  );
}

export function render({ removed, removed_snapshots, freed_bytes, dry_run }: GcReport): string {
  if (removed.length + removed_snapshots.length === 0) return "nothing to remove";
  const data = removed_snapshots.map(
    ({ pack_id, generation }) => `data of ${pack_id}, generation ${generation}`,
  );
  return [...removed, ...data, `${dry_run ? "would free" : "freed"} ${formatSize(freed_bytes)}`].join("\n");
}
