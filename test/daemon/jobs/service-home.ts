import { JobService, type JobWorld } from "../../../src/daemon/jobs/job-service.ts";
import { type JobScript, type JobScriptReport } from "../../../src/lifecycle/job-script.ts";
import { anchorJobs } from "../../../src/lifecycle/jobs.ts";
import { type Workspace } from "../../../src/lifecycle/workspace.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import { jobRunsOf } from "../../../src/registry/job-runs.ts";
import { setLivePack } from "../../../src/registry/packs.ts";
import { openRegistry, type Registry } from "../../../src/registry/registry.ts";
import { ensureHome } from "../../../src/system/ensure-home.ts";
import { homePaths } from "../../../src/system/home.ts";
import { VirtualClock } from "../../scheduler/virtual-clock.ts";
import { scratch } from "../../support/aurora.ts";

/** What a job does instead of a process: its exit code, or a promise of it. */
type Body = (job: JobScript, signal: AbortSignal) => number | Promise<number>;

type Running = { registry: Registry; clock: VirtualClock; stop: () => Promise<void> };

/**
 * A home with a registry on disk and a clock of the test's own; jobs are functions. Each `start` is a process of its own as far
 * as the service can see, with a clock that begins where the test says.
 */
export function serviceHome() {
  const directory = scratch();
  const paths = homePaths(`${directory.path}/home`);
  ensureHome(paths);
  const registry = openRegistry(paths);
  const warnings: string[] = [];
  const ran: string[] = [];
  const workspace = (clock: VirtualClock, own: Registry): Workspace => ({
    paths,
    registry: own,
    now: () => new Date(clock.wallMs()),
    self: "/aurora",
    env: {},
    signal: new AbortController().signal,
    info: () => {},
    warn: (message) => void warnings.push(message),
  });
  return {
    paths,
    registry,
    warnings,
    /** "NAME SCHEDULED_AT ATTEMPT" of each try, in order. */
    ran,
    /** Makes a pack live with these lines of YAML below `schedule:`, as a transaction does. */
    live(generation: number, at: string, jobs: readonly string[]): void {
      const text = [
        "schema_version: aurora-manifest-v1",
        "pack:",
        "  id: app",
        "  name: app",
        `  version: "${generation}.0.0"`,
        `  schedule: [${jobs.map((job) => `{ run: job.sh, ${job} }`).join(", ")}]`,
      ].join("\n");
      const { manifest } = parseManifest(Buffer.from(text), "manifest.yaml", "yaml");
      const digest = `sha256:${String(generation).padStart(64, "0")}`;
      registry.write(() => {
        setLivePack(registry, {
          pack_id: "app",
          generation,
          digest,
          version: `${generation}.0.0`,
          manifest: JSON.stringify(manifest),
          allow_all: 0,
        });
        anchorJobs(registry, "app", Date.parse(at));
      });
    },
    async start(at: string, body: Body = () => 0, more: Partial<JobWorld> = {}): Promise<Running> {
      const clock = new VirtualClock(Date.parse(at));
      const own = openRegistry(paths);
      const execute: NonNullable<JobWorld["execute"]> = async (_workspace, _pack, job, signal) => {
        ran.push(`${job.name} ${new Date(job.scheduledMs).toISOString()} ${job.attempt}`);
        const rc = await body(job, signal);
        return reportOf(job, rc, signal.aborted, clock);
      };
      const service = new JobService({
        workspace: workspace(clock, own),
        command: "a test",
        settle: async () => {},
        clock,
        random: () => 0.5,
        execute,
        pollMs: 30_000,
        ...more,
      });
      await service.start();
      const stop = async () => {
        const stopped = service[Symbol.asyncDispose]();
        await clock.advanceAsync(60_000);
        await stopped;
        own[Symbol.dispose]();
      };
      return { registry: own, clock, stop };
    },
    /** The records of a job, as "SCHEDULED_AT ATTEMPT STATE" with the count where it is more than 1. */
    records: (name: string) =>
      jobRunsOf(registry, "app", { name, limit: 1000 }).map(
        ({ scheduled_ms, attempt, state, count }) =>
          `${new Date(scheduled_ms).toISOString()} ${attempt} ${state}${count > 1 ? ` ${count}` : ""}`,
      ),
    [Symbol.dispose]() {
      registry[Symbol.dispose]();
      directory[Symbol.dispose]();
    },
  };
}

function reportOf(job: JobScript, rc: number, isAborted: boolean, clock: VirtualClock): JobScriptReport {
  return {
    name: job.name,
    rc: isAborted ? -1 : rc,
    signal: null,
    timeout: false,
    aborted: isAborted,
    at: new Date(clock.wallMs()).toISOString(),
    duration_ms: 0,
    stdout: "",
    stderr: rc === 0 ? "" : "it went wrong",
  };
}
