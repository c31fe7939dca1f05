import { readdirSync, readFileSync } from "node:fs";

import { environmentOf, type EnvironmentRow } from "../registry/environment.ts";
import { type GenerationRow } from "../registry/generations.ts";
import { namespaceOf, type NamespaceRow } from "../registry/namespaces.ts";
import { dataEpochOf, livePack } from "../registry/packs.ts";
import { decodeChecked, encodeChecked } from "../store/tree-record.ts";
import { makeDirectory, replaceFile } from "../system/durable.ts";
import { type HomePaths } from "../system/home.ts";
import { type Workspace } from "./workspace.ts";

/**
 * What the registry knew of a pack at the end of one of its transactions, in a file of its own: from these, the store and the
 * links, `recover --rebuild` remakes a registry that is lost. It may hold secrets, as the registry does, and has its mode.
 */
export type GenerationRecord = {
  generation: GenerationRow;
  /** Whether this generation was live at the end of the transaction. */
  is_live: boolean;
  allow_all: number;
  namespace: NamespaceRow | null;
  environment: EnvironmentRow[];
  data_epoch: number | null;
};

/** Writes the records of an ended transaction. Can be done again after a crash in its middle. */
export function writeGenerationRecords({ registry, paths }: Workspace, transactionId: string): void {
  const rows = registry.all<GenerationRow>(
    "SELECT * FROM generations WHERE transaction_id = ? ORDER BY pack_id, generation",
    transactionId,
  );
  for (const generation of rows) {
    const packId = generation.pack_id;
    const live = livePack(registry, packId);
    const record: GenerationRecord = {
      generation,
      is_live: live?.generation === generation.generation,
      allow_all: live?.allow_all ?? 0,
      namespace: namespaceOf(registry, packId) ?? null,
      environment: environmentOf(registry, packId),
      data_epoch: dataEpochOf(registry, packId) ?? null,
    };
    makeDirectory(paths.generationsOf(packId), 0o700);
    const path = `${paths.generationsOf(packId)}/${generation.generation}.json`;
    replaceFile(path, encodeChecked(record), 0o600);
  }
}

/**
 * Reads all records of a home, oldest first for each pack.
 *
 * @returns what is readable, and a sentence about each file that is not
 */
export function readGenerationRecords(paths: HomePaths): { records: GenerationRecord[]; problems: string[] } {
  const records: GenerationRecord[] = [];
  const problems: string[] = [];
  for (const packId of namesIn(paths.generations))
    for (const name of namesIn(paths.generationsOf(packId))) {
      if (!/^\d+\.json$/.test(name)) continue;
      const record = decodeChecked(readFileSync(`${paths.generationsOf(packId)}/${name}`, "utf8"));
      if (record === undefined) problems.push(`generations/${packId}/${name} is damaged`);
      else records.push(record as GenerationRecord);
    }
  records.sort((a, b) => a.generation.generation - b.generation.generation);
  return { records, problems };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw thrown;
  }
}
