import { AuroraError } from "../errors.ts";
import { planOf } from "../lifecycle/confirmation.ts";
import { checkHealth, hasHealthCheck, whyUnhealthy } from "../lifecycle/health.ts";
import { hostedProcess } from "../lifecycle/hosted-service.ts";
import { endingOf, runScript, type ScriptPack, scriptPack, START_TIMEOUT_MS } from "../lifecycle/script.ts";
import { isHosted } from "../lifecycle/service-host.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { manifestFromStored } from "../manifest/stored.ts";
import { scriptArgv } from "../process/script-argv.ts";
import { generationOf } from "../registry/generations.ts";
import { livePack } from "../registry/packs.ts";
import { type Registry } from "../registry/registry.ts";
import {
  hasServiceEnvironment,
  serviceEnvironment,
  serviceOf,
  type ServiceRow,
  services,
} from "../registry/services.ts";
import { openTransactions } from "../registry/transactions.ts";
import { treeByDigest } from "../registry/trees.ts";
import { type ServiceSpec, unknownSpec } from "../supervisor/service-spec.ts";

/**
 * How the supervisor runs the service that the registry says is wanted. Where the stored manifest is damaged, it cannot be started,
 * and says why; what runs of it runs on.
 *
 * @returns undefined where the pack's service is none that is supervised, or its tree is not known any more
 */
export function serviceSpecOf(workspace: Workspace, row: ServiceRow): ServiceSpec | undefined {
  try {
    const pack = hostedPackOf(workspace, row.pack_id, row.generation);
    return pack && specOf(workspace, pack);
  } catch (thrown) {
    if (!(thrown instanceof AuroraError) || thrown.code !== "state-invalid") throw thrown;
    const { pack_id: packId, generation } = row;
    // Only what is supervised has an environment that is kept.
    if (!hasServiceEnvironment(workspace.registry, packId)) return undefined;
    return unknownSpec({ packId, generation, logDirectory: workspace.paths.logsOf(packId) });
  }
}

/** The pack whose service is supervised, at a generation; undefined where it is none, or its tree is not known any more. */
export function hostedPackOf(
  workspace: Workspace,
  packId: string,
  generation: number,
): ScriptPack | undefined {
  const { registry } = workspace;
  const side = sideOf(registry, packId, generation);
  const tree = side && treeByDigest(registry, side.digest);
  if (!side || !tree) return undefined;
  const manifest = manifestFromStored(tree.manifest, packId);
  return isHosted(manifest) ? scriptPack(workspace, manifest, { ...side, generation }) : undefined;
}

/** The specs of all services of the home that are supervised, wanted or not. */
export function allServiceSpecs(workspace: Workspace): ServiceSpec[] {
  return services(workspace.registry).flatMap((row) => serviceSpecOf(workspace, row) ?? []);
}

function specOf(workspace: Workspace, pack: ScriptPack): ServiceSpec {
  const { id, entrypoint, service, health, dependencies } = pack.manifest.pack;
  const { registry } = workspace;
  // There is one of these for each service for as long as the daemon lives, and the registry has what is seldom needed.
  const { generation } = pack;
  const now = () => packNow(workspace, id, generation);
  return {
    packId: id,
    generation,
    type: service.type === "notify" ? "notify" : "simple",
    argv: scriptArgv(entrypoint.start ?? [], pack.packDirectory).argv,
    cwd: pack.packDirectory,
    env: () => serviceEnvironment(registry, id) ?? hostedProcess(workspace, now()).env,
    restart: service.restart,
    backoffSeconds: service.backoff_seconds,
    startLimit: { burst: service.start_limit.burst, intervalSeconds: service.start_limit.interval_seconds },
    stopSignal: service.stop_signal as NodeJS.Signals,
    stopTimeoutSeconds: service.stop_timeout_seconds,
    ...(entrypoint.stop === null ? {} : { beforeStop: (signal) => runStop(workspace, now(), signal) }),
    startTimeoutSeconds: START_TIMEOUT_MS / 1000,
    health: {
      config: health,
      watchSeconds: health.watch_seconds,
      probe: hasHealthCheck(pack.manifest) ? (signal) => probe(workspace, now(), signal) : null,
    },
    // What the operator has stopped, or what has no service, is waited for in vain.
    dependencies: dependencies
      .map(({ pack_id: other }) => other)
      .filter((other) => serviceOf(registry, other)?.wanted === "running"),
    logDirectory: pack.logDirectory,
  };
}

/** @throws {AuroraError} `not-found` where its tree is not known any more */
function packNow(workspace: Workspace, packId: string, generation: number): ScriptPack {
  const pack = hostedPackOf(workspace, packId, generation);
  if (pack) return pack;
  throw new AuroraError(
    "not-found",
    `cannot find generation ${generation} of "${packId}": its tree is not known any more`,
  );
}

async function probe(workspace: Workspace, pack: ScriptPack, signal: AbortSignal) {
  const report = await checkHealth(workspace, pack, signal);
  return { healthy: report.health === "healthy", output: whyUnhealthy(report) ?? "" };
}

/** A broken stop script changes nothing: the stop signal follows all the same. */
async function runStop(workspace: Workspace, pack: ScriptPack, signal: AbortSignal): Promise<void> {
  const { id, service } = pack.manifest.pack;
  const timeoutMs = service.stop_timeout_seconds * 1000;
  const report = await runScript(workspace, pack, "stop", { timeoutMs, signal });
  if (report.rc !== 0)
    workspace.warn(`the stop script of "${id}" ${endingOf(report)}; its processes are stopped all the same`);
}

/**
 * The tree of a generation, and whether it runs unconfined: in the middle of a transaction it is neither live nor in the
 * history.
 */
function sideOf(
  registry: Registry,
  packId: string,
  generation: number,
): { digest: string; allow_all: number } | undefined {
  const live = livePack(registry, packId);
  if (live?.generation === generation) return live;
  const planned = openTransactions(registry)
    .flatMap(({ plan }) => planOf(plan).packs)
    .filter((pack) => pack.pack_id === packId)
    .flatMap(({ from, to }) => [from, to]);
  const found = planned.find((side) => side?.generation === generation);
  if (found) return found;
  const digest = generationOf(registry, packId, generation)?.digest ?? undefined;
  return digest === undefined ? undefined : { digest, allow_all: 0 };
}
