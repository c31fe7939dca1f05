import { readFileSync } from "node:fs";

import { environmentOf } from "../../registry/environment.ts";
import { operatorJobs } from "../../registry/jobs.ts";
import { namespaces } from "../../registry/namespaces.ts";
import { livePackSummaries } from "../../registry/packs.ts";
import { openRegistryForReading } from "../../registry/registry.ts";
import { openTransactions } from "../../registry/transactions.ts";
import { allTrees } from "../../registry/trees.ts";
import { storeNames } from "../../store/tree-record.ts";
import { readLink } from "../../system/durable.ts";
import { type HomePaths } from "../../system/home.ts";
import { namesIn } from "../../system/names-in.ts";
import { verifyPacks } from "../verify-home.ts";

/** What a home of the self test holds, as far as a change promises it. */
export type State = {
  /** Links, registry and data, as text to compare. */
  promised: string;
  trees: string[];
  /** What may never be found in a home that was recovered. */
  faults: string[];
};

/** Reads a home that was recovered. Every byte of its stored trees is hashed. */
export async function readState(paths: HomePaths): Promise<State> {
  using registry = openRegistryForReading(paths);
  const packs = livePackSummaries(registry);
  const promised = JSON.stringify({
    packs,
    links: namesIn(paths.live).map((name) => [name, readLink(paths.liveLink(name))]),
    namespaces: namespaces(registry).map(({ pack_id, meta, revision }) => [pack_id, meta, revision]),
    environment: packs.map(({ pack_id }) => environmentOf(registry, pack_id)),
    jobs: operatorJobs(registry).map(({ pack_id, name, spec }) => [pack_id, name, spec]),
    data: packs.map(({ pack_id }) => filesIn(paths.dataOf(pack_id))),
  });
  const report = await verifyPacks({ registry, paths }, [], true);
  return {
    promised,
    trees: allTrees(registry)
      .map(({ digest }) => digest)
      .toSorted(),
    faults: [
      ...report.problems,
      ...report.packs.flatMap(({ pack_id, problems }) => problems.map((problem) => `${pack_id}: ${problem}`)),
      ...openTransactions(registry).map(({ kind }) => `a transaction is open: ${kind}`),
      ...namesIn(paths.tmp).map((name) => `tmp/${name} was left behind`),
      ...storeNames(paths)
        .filter((name) => !/^[0-9a-f]{64}(\.json|\.entries\.json)?$/.test(name))
        .map((name) => `store/${name} was left behind`),
    ],
  };
}

/** What is wrong with a home after a fault: it must be the old one or the new one, and the new one once that was said. */
export function judge(found: State, old: State, changed: State, wasAcknowledged: boolean): string[] {
  const faults = [...found.faults];
  const isNew = found.promised === changed.promised;
  if (!isNew && found.promised !== old.promised) faults.push("it is neither the old nor the new state");
  const hasTrees = changed.trees.every((digest) => found.trees.includes(digest));
  if (wasAcknowledged && !(isNew && hasTrees)) faults.push("what was acknowledged is not there");
  return faults;
}

function filesIn(directory: string): [name: string, content: string][] {
  return namesIn(directory).map((name) => [name, readFileSync(`${directory}/${name}`, "utf8")]);
}
