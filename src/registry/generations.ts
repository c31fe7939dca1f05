import { type Registry } from "./registry.ts";

export type GenerationOutcome = "committed" | "failed" | "rolled-back" | "reverted" | "removed" | "stuck";

export type GenerationRow = {
  pack_id: string;
  generation: number;
  /** The generation that was live before; null for a first install. */
  parent: number | null;
  /** Null for the entry that records a removal. */
  digest: string | null;
  version: string | null;
  at: string;
  outcome: GenerationOutcome;
  reason: string | null;
  transaction_id: string;
  /** Hash of the entry before it in this pack's history; 64 zeros for the first. */
  previous_hash: string;
  hash: string;
};

const NO_HASH = "0".repeat(64);

/** The number that the next generation of a pack gets. Numbers only grow, also over removals and failures. */
export function nextGeneration(registry: Registry, packId: string): number {
  const row = registry.get<{ last: number | null }>(
    "SELECT max(generation) AS last FROM generations WHERE pack_id = ?",
    packId,
  );
  return (row?.last ?? 0) + 1;
}

/** Appends to a pack's history, chained by hash to the entry before. */
export function appendGeneration(
  registry: Registry,
  entry: Omit<GenerationRow, "previous_hash" | "hash">,
): void {
  const last = registry.get<{ hash: string }>(
    "SELECT hash FROM generations WHERE pack_id = ? ORDER BY generation DESC LIMIT 1",
    entry.pack_id,
  );
  const previousHash = last?.hash ?? NO_HASH;
  restoreGeneration(registry, {
    ...entry,
    previous_hash: previousHash,
    hash: hashOf(entry, previousHash),
  });
}

/** Puts an entry back as it was, its hashes included: `chainProblems` tells where one before it is missing. */
export function restoreGeneration(registry: Registry, row: GenerationRow): void {
  registry.run(
    `INSERT INTO generations (pack_id, generation, parent, digest, version, at, outcome, reason, transaction_id,
       previous_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.pack_id,
    row.generation,
    row.parent,
    row.digest,
    row.version,
    row.at,
    row.outcome,
    row.reason,
    row.transaction_id,
    row.previous_hash,
    row.hash,
  );
}

/** A pack's history, oldest first. */
export function generationsOf(registry: Registry, packId: string): GenerationRow[] {
  return registry.all<GenerationRow>(
    "SELECT * FROM generations WHERE pack_id = ? ORDER BY generation",
    packId,
  );
}

export function generationOf(
  registry: Registry,
  packId: string,
  generation: number,
): GenerationRow | undefined {
  return registry.get<GenerationRow>(
    "SELECT * FROM generations WHERE pack_id = ? AND generation = ?",
    packId,
    generation,
  );
}

/** What does not fit in a history's chain of hashes; empty when nobody has touched it. */
export function chainProblems(rows: readonly GenerationRow[]): string[] {
  const problems: string[] = [];
  let previous = NO_HASH;
  for (const row of rows) {
    if (row.previous_hash !== previous)
      problems.push(`generation ${row.generation} does not follow the entry before it`);
    if (row.hash !== hashOf(row, row.previous_hash))
      problems.push(`generation ${row.generation} was changed`);
    previous = row.hash;
  }
  return problems;
}

function hashOf(entry: Omit<GenerationRow, "previous_hash" | "hash">, previousHash: string): string {
  const { pack_id, generation, parent, digest, version, at, outcome, reason, transaction_id } = entry;
  const fields = [
    previousHash,
    pack_id,
    generation,
    parent,
    digest,
    version,
    at,
    outcome,
    reason,
    transaction_id,
  ];
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(fields)).digest("hex");
}
