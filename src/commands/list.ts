import { healthIn, observeService } from "../lifecycle/observe-service.ts";
import { listedPacks } from "../registry/packs.ts";
import { type Health, type ServiceState } from "../registry/services.ts";
import { waitingTrees } from "../registry/trees.ts";
import { bootId } from "../system/boot.ts";
import { type Context } from "./command.ts";
import { table } from "./shared/text-table.ts";
import { openForReading } from "./shared/workspace.ts";

type Entry = {
  pack_id: string;
  version: string;
  generation: number | null;
  digest: string;
  state: ServiceState | "staged" | "installed";
  health: Health;
};

export async function run(context: Context): Promise<Entry[]> {
  using workspace = await openForReading(context);
  const boot = bootId();
  const entries: Entry[] = [];
  for (const row of listedPacks(workspace.registry)) {
    const { pack_id, version, generation, digest } = row;
    const pack = { pack_id, version, generation, digest };
    if (row.state === null) {
      entries.push({ ...pack, state: "installed", health: "unknown" });
      continue;
    }
    const { state } = observeService(row, boot);
    entries.push({ ...pack, state, health: healthIn(state, row.health) });
  }
  const waiting = waitingTrees(workspace.registry);
  if (waiting.length === 0) return entries;
  for (const { pack_id, version, digest } of waiting)
    entries.push({ pack_id, version, generation: null, digest, state: "staged", health: "unknown" });
  return entries.toSorted((a, b) => (a.pack_id < b.pack_id ? -1 : 1));
}

export function render(entries: Entry[]): string {
  if (entries.length === 0) return "no packs";
  return table(
    ["PACK", "VERSION", "GENERATION", "STATE", "HEALTH", "DIGEST"],
    entries.map(({ pack_id, version, generation, state, health, digest }) => [
      pack_id,
      version,
      generation === null ? "-" : String(generation),
      state,
      health,
      digest.slice(0, 19),
    ]),
  );
}
