import { unknownPack } from "../lifecycle/unknown-pack.ts";
import { chainProblems, type GenerationRow, generationsOf } from "../registry/generations.ts";
import { type Context, type Input } from "./command.ts";
import { table } from "./shared/text-table.ts";
import { checkPackId, openForReading } from "./shared/workspace.ts";

type Entry = Omit<GenerationRow, "pack_id" | "transaction_id"> & { transaction: string };

export async function run(context: Context, { args: [packId = ""] }: Input): Promise<Entry[]> {
  using workspace = await openForReading(context);
  const rows = generationsOf(workspace.registry, checkPackId(packId));
  if (rows.length === 0) throw unknownPack(workspace, packId, "has no history");
  for (const problem of chainProblems(rows))
    workspace.warn(`the history of "${packId}" was tampered with: ${problem}`);
  return rows.map(
    ({ generation, parent, version, digest, at, outcome, reason, transaction_id, previous_hash, hash }) => ({
      generation,
      parent,
      version,
      digest,
      at,
      outcome,
      reason,
      transaction: transaction_id,
      previous_hash,
      hash,
    }),
  );
}

export function render(entries: Entry[]): string {
  return table(
    ["GENERATION", "PARENT", "VERSION", "AT", "OUTCOME", "REASON"],
    entries.map(({ generation, parent, version, at, outcome, reason }) => [
      String(generation),
      parent === null ? "-" : String(parent),
      version ?? "-",
      at,
      outcome,
      reason ?? "",
    ]),
  );
}
