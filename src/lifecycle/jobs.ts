import { AuroraError } from "../errors.ts";
import { type Manifest } from "../manifest/schema.ts";
import { manifestFromStored } from "../manifest/stored.ts";
import { giveUpOpenRuns } from "../registry/job-runs.ts";
import {
  forgetJobState,
  jobIdOf,
  type JobStateRow,
  jobStates,
  operatorJobs,
  setJobState,
} from "../registry/jobs.ts";
import { parseColumn } from "../registry/json-column.ts";
import { livePack, livePacks } from "../registry/packs.ts";
import { type Registry } from "../registry/registry.ts";

/** When and how a job runs. Kept as JSON. */
export type JobSpec = {
  schedule:
    | { kind: "cron"; expression: string; /** null: the machine's. */ timezone: string | null }
    | { kind: "every"; interval_ms: number }
    | { kind: "at"; at_ms: number };
  /** A file of the pack and its arguments; for an operator's job any command. */
  command: string[];
  tags: Record<string, number>;
  timeout_ms: number | null;
  overlap: "skip" | "queue" | "allow" | "replace";
  misfire: "run-once" | "skip" | "run-all";
  /** So many more tries after a failure. null: none, but a run that was interrupted is tried again; 0: not even that. */
  retries: number | null;
  jitter_ms: number;
};

/** A job as it is now. */
export type PackJob = {
  id: string;
  packId: string;
  name: string;
  origin: "manifest" | "operator";
  spec: JobSpec;
  /** Where it stands; undefined for a job that has not been seen yet. */
  state: JobStateRow | undefined;
};

/** The jobs of a manifest, as specs. */
function manifestJobs(manifest: Manifest): { name: string; spec: JobSpec }[] {
  return manifest.pack.schedule.map((job) => ({
    name: job.name,
    spec: {
      schedule:
        job.every_ms === null
          ? { kind: "cron", expression: job.cron ?? "", timezone: job.timezone }
          : { kind: "every", interval_ms: job.every_ms },
      command: job.run,
      tags: job.tags,
      timeout_ms: job.timeout_seconds === null ? null : job.timeout_seconds * 1000,
      overlap: job.overlap,
      misfire: job.misfire,
      // Manifests that were stored before there were such fields do not have them.
      retries: job.retries ?? null,
      jitter_ms: job.jitter_ms ?? 0,
    },
  }));
}

/** A stored manifest that is damaged, which `verify` tells, keeps the jobs of no other pack from running. */
function storedJobs(manifest: string, packId: string): ReturnType<typeof manifestJobs> {
  try {
    return manifestJobs(manifestFromStored(manifest, packId));
  } catch (thrown) {
    if (thrown instanceof AuroraError && thrown.code === "state-invalid") return [];
    throw thrown;
  }
}

/**
 * All jobs of the live packs, or of one of them. Those of manifests follow from the generation that is live at this very moment, so that they
 * cannot differ from it; an operator's job hides one of the manifest that has its name.
 */
export function packJobs(registry: Registry, onlyOf?: string): PackJob[] {
  const states = new Map(jobStates(registry, onlyOf).map((row) => [jobIdOf(row), row]));
  const jobs = new Map<string, PackJob>();
  const add = (packId: string, name: string, origin: PackJob["origin"], spec: JobSpec) => {
    const id = jobIdOf({ pack_id: packId, name });
    const state = states.get(id);
    const isCurrent = state?.spec === JSON.stringify(spec);
    jobs.set(id, { id, packId, name, origin, spec, state: isCurrent ? state : undefined });
  };
  const live =
    onlyOf === undefined
      ? livePacks(registry)
      : [livePack(registry, onlyOf)].filter((row) => row !== undefined);
  for (const { pack_id, manifest } of live)
    for (const { name, spec } of storedJobs(manifest, pack_id)) add(pack_id, name, "manifest", spec);
  for (const { pack_id, name, spec } of operatorJobs(registry, onlyOf))
    add(pack_id, name, "operator", parseColumn<JobSpec>("jobs.spec", spec));
  return [...jobs.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * Gives every job of a pack a place from which it counts: new ones and changed ones begin now. Those that are gone lose
 * theirs.
 */
export function anchorJobs(registry: Registry, packId: string, nowMs: number): void {
  const jobs = packJobs(registry, packId);
  for (const { name, spec, state } of jobs) {
    if (state) continue;
    giveUpOpenRuns(registry, packId, name, "the job is another one now");
    setJobState(registry, {
      pack_id: packId,
      name,
      spec: JSON.stringify(spec),
      anchor_ms: nowMs,
      last_scheduled_ms: null,
    });
  }
  const known = new Set(jobs.map(({ name }) => name));
  for (const { name } of jobStates(registry, packId))
    if (!known.has(name)) {
      giveUpOpenRuns(registry, packId, name, "the job is gone");
      forgetJobState(registry, packId, name);
    }
}
