import { readFileSync } from "node:fs";

import { toAuroraError } from "../errors.ts";
import { environmentOf, type EnvironmentRow } from "../registry/environment.ts";
import { type GenerationRow } from "../registry/generations.ts";
import { type JobRow, operatorJobs } from "../registry/jobs.ts";
import { namespaceOf, type NamespaceRow } from "../registry/namespaces.ts";
import { userOfPack } from "../registry/pack-users.ts";
import { dataEpochOf, livePack } from "../registry/packs.ts";
import { decodeChecked, encodeChecked } from "../store/tree-record.ts";
import { makeDirectory, replaceFile, replaceFiles, sweepTemporaryNames } from "../system/durable.ts";
import { type HomePaths } from "../system/home.ts";
import { namesIn } from "../system/names-in.ts";
import { isPassingError } from "./passing-error.ts";
import { type Workspace } from "./workspace.ts";

/*
 * What the registry knows, in files of their own: `generations/<pack>/<n>.json` for each entry of the history, and
 * `generations/<pack>/pack.json` for the rest. From these, the store and the links, `recover --rebuild` remakes a registry that
 * is lost. A pack's variables are in one file only, which is replaced: what was unset is nowhere any more.
 */

/** A record is written in a few milliseconds, also outside the home's lock: what is older was left by somebody who was killed. */
const ABANDONED_AFTER_MS = 60_000;

/** What is known of a pack beside its history. */
type PackRecord = {
  pack_id: string;
  live: { generation: number; allow_all: number } | null;
  namespace: NamespaceRow | null;
  environment: EnvironmentRow[];
  data_epoch: number | null;
  /** The user that it runs as, where Aurora is root's. */
  user?: number | null;
  /** What operators have added. */
  jobs?: JobRow[];
};

/** Writes the records of an ended transaction. Can be done again after a crash in its middle. */
export function writeGenerationRecords(workspace: Workspace, transactionId: string): void {
  const { registry, paths } = workspace;
  const rows = registry.all<GenerationRow>(
    "SELECT * FROM generations WHERE transaction_id = ? ORDER BY pack_id, generation",
    transactionId,
  );
  for (const packId of new Set(rows.map(({ pack_id }) => pack_id))) {
    const records = new Map<string, string>();
    for (const row of rows)
      if (row.pack_id === packId) records.set(`${row.generation}.json`, encodeChecked(row));
    records.set("pack.json", encodeChecked(packRecord(workspace, packId)));
    const directory = paths.generationsOf(packId);
    makeDirectory(directory, 0o700);
    const nowMs = workspace.now().getTime();
    sweepTemporaryNames(directory, (changedMs) => nowMs - changedMs > ABANDONED_AFTER_MS);
    replaceFiles(directory, records, 0o600);
  }
}

/** Brings a pack's record up to date after a change outside transactions, which has succeeded whatever becomes of the record. */
export function updatePackRecord(workspace: Workspace, packId: string): void {
  try {
    const { paths } = workspace;
    makeDirectory(paths.generationsOf(packId), 0o700);
    const record = encodeChecked(packRecord(workspace, packId));
    replaceFile(`${paths.generationsOf(packId)}/pack.json`, record, 0o600);
  } catch (thrown) {
    const error = toAuroraError(thrown);
    if (!isPassingError(error)) throw error;
    workspace.warn(`the record of "${packId}" is not up to date: ${error.message}`);
  }
}

function packRecord({ registry }: Workspace, packId: string): PackRecord {
  const live = livePack(registry, packId);
  return {
    pack_id: packId,
    live: live ? { generation: live.generation, allow_all: live.allow_all } : null,
    namespace: namespaceOf(registry, packId) ?? null,
    environment: environmentOf(registry, packId),
    data_epoch: dataEpochOf(registry, packId) ?? null,
    user: userOfPack(registry, packId) ?? null,
    jobs: operatorJobs(registry, packId),
  };
}

export type Records = {
  /** Oldest first. */
  generations: GenerationRow[];
  packs: PackRecord[];
  /** A sentence about each file that cannot be read. */
  problems: string[];
};

/** Reads all records of a home. */
export function readRecords(paths: HomePaths): Records {
  const records: Records = { generations: [], packs: [], problems: [] };
  for (const packId of namesIn(paths.generations))
    for (const name of namesIn(paths.generationsOf(packId))) {
      if (!/^(\d+|pack)\.json$/.test(name)) continue;
      const record = decodeChecked(readFileSync(`${paths.generationsOf(packId)}/${name}`, "utf8"));
      if (record === undefined) records.problems.push(`generations/${packId}/${name} is damaged`);
      else if (name === "pack.json") records.packs.push(record as PackRecord);
      else records.generations.push(record as GenerationRow);
    }
  records.generations.sort((a, b) => a.generation - b.generation);
  return records;
}
