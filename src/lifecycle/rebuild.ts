import { existsSync, linkSync, renameSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { manifestFromStored } from "../manifest/stored.ts";
import { findProcesses } from "../process/tree.ts";
import { restoreEnvironment } from "../registry/environment.ts";
import { appendEvent } from "../registry/events.ts";
import { appendGeneration, nextGeneration, restoreGeneration } from "../registry/generations.ts";
import { type JobRow, setOperatorJob } from "../registry/jobs.ts";
import { restoreNamespace } from "../registry/namespaces.ts";
import { setDataEpoch, setLivePack } from "../registry/packs.ts";
import { openRegistry, openRegistryForReading, type Registry } from "../registry/registry.ts";
import { noRemarks, setService } from "../registry/services.ts";
import { recordTree, treeByDigest } from "../registry/trees.ts";
import { listTrees, readTreeRecord } from "../store/tree-record.ts";
import { bootId } from "../system/boot.ts";
import { readLink, syncDirectory, TEMPORARY_PREFIX } from "../system/durable.ts";
import { type HomePaths, homePaths } from "../system/home.ts";
import { namesIn } from "../system/names-in.ts";
import { readSettledEnvironment } from "../system/process-table.ts";
import { createScratch } from "../system/scratch.ts";
import { readRecords, type Records } from "./generation-record.ts";
import { type JobSpec } from "./jobs.ts";
import { rebuildSharedData, rebuildUsers } from "./rebuild-users.ts";
import { registryFaults } from "./registry-faults.ts";

export type RebuildReport = {
  packs: { pack_id: string; version: string; generation: number; digest: string }[];
  trees: number;
  generations: number;
  /** Where the old database is kept, below the home; null where there was none. */
  kept_as: string | null;
  /** What could not be recovered, or only in part. */
  problems: string[];
};

/**
 * Remakes a registry that is lost or damaged from what else is in the home: the store's records, the links, and the records of
 * the generations. The new one takes the place of the old by one rename, and the old one is kept. The caller holds the lock.
 *
 * Packs keep their users. Variables and added jobs are as they were set last, a pack's namespace entry as it was at its last transaction. Events, approvals,
 * quarantines and the runs of jobs are lost.
 *
 * @throws {AuroraError} `conflict` where the registry is sound
 */
export function rebuildRegistry(paths: HomePaths, now: Date): RebuildReport {
  refuseSound(paths);
  using scratch = createScratch(paths.tmp, "rebuild");
  const records = readRecords(paths);
  const at = now.toISOString();
  let report: RebuildReport;
  {
    using registry = openRegistry(homePaths(scratch.path));
    report = registry.write(() => fill(registry, paths, records, at));
  }
  report.kept_as = keepOld(paths, at);
  renameSync(`${scratch.path}/state.db`, paths.database);
  syncDirectory(paths.home);
  return report;
}

function refuseSound(paths: HomePaths): void {
  try {
    using registry = openRegistryForReading(paths);
    if (registryFaults(registry).length > 0) return;
  } catch (thrown) {
    if (thrown instanceof AuroraError && thrown.code === "state-invalid") return;
    throw thrown;
  }
  throw new AuroraError("conflict", "cannot rebuild the registry: it is sound", {
    hint: "aurora verify shows what else is wrong",
  });
}

/** A second name first, so that there is a database at every moment; its journal must not meet the new one. */
function keepOld(paths: HomePaths, at: string): string | null {
  if (!existsSync(paths.database)) return null;
  const name = `state.db.damaged-${at.replaceAll(/[-:.]/g, "")}`;
  const journal = `${paths.database}-journal`;
  linkSync(paths.database, `${paths.home}/${name}`);
  if (existsSync(journal)) renameSync(journal, `${paths.home}/${name}-journal`);
  syncDirectory(paths.home);
  return name;
}

function fill(registry: Registry, paths: HomePaths, records: Records, at: string): RebuildReport {
  const problems = [...records.problems];
  const trees = fillTrees(registry, paths, problems, at);
  for (const row of records.generations) restoreGeneration(registry, row);
  for (const { pack_id, namespace, environment, data_epoch } of records.packs) {
    restoreNamespace(registry, pack_id, namespace ?? undefined);
    restoreEnvironment(registry, pack_id, environment);
    setDataEpoch(registry, pack_id, data_epoch ?? undefined);
  }
  const recordedUsers = new Map(records.packs.map(({ pack_id, user = null }) => [pack_id, user]));
  problems.push(...rebuildUsers(registry, paths, knownPackNames(paths, records), recordedUsers));
  const links = linkNames(paths);
  const packs: RebuildReport["packs"] = [];
  for (const packId of links) {
    const live = fillLive(registry, paths, packId, records, problems, at);
    if (live) packs.push(live);
  }
  for (const { pack_id, jobs } of records.packs)
    if (packs.some((pack) => pack.pack_id === pack_id)) fillJobs(registry, jobs ?? [], Date.parse(at));
  for (const { pack_id, live } of records.packs)
    if (live && !links.includes(pack_id))
      problems.push(`${pack_id} was live as generation ${live.generation}, and its link is gone`);
  rebuildSharedData(registry);
  for (const { pack_id, generation } of packs) adoptService(registry, paths, pack_id, generation, at);
  appendEvent(registry, { at, packId: null, kind: "registry-rebuilt", detail: { packs: packs.length } });
  return { packs, trees, generations: records.generations.length, kept_as: null, problems };
}

function fillTrees(registry: Registry, paths: HomePaths, problems: string[], at: string): number {
  let count = 0;
  for (const digest of listTrees(paths))
    try {
      const { pack_id, files, bytes, ...record } = readTreeRecord(paths, digest);
      const manifest = JSON.stringify(record.manifest);
      const { version } = manifestFromStored(manifest, pack_id).pack;
      recordTree(registry, { digest, pack_id, version, manifest, files, bytes, staged_at: at });
      count++;
    } catch (thrown) {
      if (!(thrown instanceof AuroraError)) throw thrown;
      problems.push(`the tree ${digest} is not recovered: ${thrown.message}`);
    }
  return count;
}

/** What a link points to is live: as the generation whose record says so, else as a new one. */
function fillLive(
  registry: Registry,
  paths: HomePaths,
  packId: string,
  records: Records,
  problems: string[],
  at: string,
): RebuildReport["packs"][number] | undefined {
  const target = readLink(paths.liveLink(packId)) ?? "";
  const hex = /^\.\.\/store\/([0-9a-f]{64})$/.exec(target)?.[1];
  const tree = hex === undefined ? undefined : treeByDigest(registry, `sha256:${hex}`);
  if (tree?.pack_id !== packId) {
    problems.push(`live/${packId} points to "${target}", which is no tree of this pack in the store`);
    return undefined;
  }
  const { digest, version, manifest } = tree;
  const known = records.generations.findLast(
    (row) => row.pack_id === packId && row.digest === digest && row.outcome === "committed",
  );
  const generation = known?.generation ?? nextGeneration(registry, packId);
  if (!known) {
    appendGeneration(registry, {
      pack_id: packId,
      generation,
      parent: null,
      digest,
      version,
      at,
      outcome: "committed",
      reason: "found live when the registry was rebuilt",
      transaction_id: "",
    });
    problems.push(
      `${packId} has no record of the generation that is live: it is generation ${generation} now`,
    );
  }
  const before = records.packs.find(({ pack_id }) => pack_id === packId)?.live;
  const allow_all = before?.generation === generation ? before.allow_all : 0;
  setLivePack(registry, { pack_id: packId, generation, digest, version, manifest, allow_all });
  return { pack_id: packId, version, generation, digest };
}

/** Jobs begin to count anew. One for a moment that has passed may have had it: that is not known any more. */
function fillJobs(registry: Registry, jobs: readonly JobRow[], nowMs: number): void {
  for (const job of jobs) {
    const { schedule } = JSON.parse(job.spec) as JobSpec;
    if (schedule.kind !== "at" || schedule.at_ms > nowMs) setOperatorJob(registry, job, nowMs);
  }
}

/** A service that runs is taken over: otherwise a second one would be started beside it. */
function adoptService(
  registry: Registry,
  paths: HomePaths,
  packId: string,
  generation: number,
  at: string,
): void {
  const processes = findProcesses({ environment: { AURORA_HOME: paths.home, AURORA_PACK_ID: packId } });
  const serviceId = processes.map(({ pid }) => serviceIdOf(pid)).find((id) => id !== undefined);
  if (serviceId === undefined) return;
  const own = findProcesses({ environment: { AURORA_SERVICE: serviceId } });
  setService(registry, {
    pack_id: packId,
    wanted: "running",
    state: "running",
    generation,
    since: at,
    service_id: serviceId,
    session: null,
    boot_id: bootId(),
    processes: JSON.stringify(own),
    rc: 0,
    restarts: 0,
    health: "unknown",
    health_at: null,
    ...noRemarks,
  });
}

function serviceIdOf(pid: number): string | undefined {
  const text = readSettledEnvironment(pid)?.toString("latin1");
  return /\0AURORA_SERVICE=([^\0]+)\0/.exec(text ?? "")?.[1];
}

/** Packs of which anything is left. */
function knownPackNames(paths: HomePaths, records: Records): string[] {
  const recorded = records.packs.map(({ pack_id }) => pack_id);
  const found = [...namesIn(paths.data), ...namesIn(paths.logs)].filter((name) => /^[\w-]+$/.test(name));
  return [...new Set([...recorded, ...found])].toSorted();
}

function linkNames(paths: HomePaths): string[] {
  return namesIn(paths.live).filter((name) => !name.startsWith(TEMPORARY_PREFIX));
}
