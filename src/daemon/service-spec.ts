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
import { alike } from "../supervisor/alike.ts";
import { type ServiceSpec, unknownSpec } from "../supervisor/service-spec.ts";

/**
 * How the supervisor runs the service that the registry says is wanted. Where the stored manifest is damaged, it cannot be started,
 * and says why; what runs of it runs on.
 *
 * @returns undefined where the pack's service is none that is supervised, or its tree is not known any more
 */
export function serviceSpecOf(workspace: Workspace, row: ServiceRow): ServiceSpec | undefined {
  const pack = packOf(workspace, row);
  return pack && specOf(workspace, pack);
}

/** A pack; what is left to do for one whose manifest is damaged; undefined as `serviceSpecOf`. */
function packOf(workspace: Workspace, row: ServiceRow): ScriptPack | ServiceSpec | undefined {
  try {
    return hostedPackOf(workspace, row.pack_id, row.generation);
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

function specOf(workspace: Workspace, pack: ScriptPack | ServiceSpec): ServiceSpec {
  return "manifest" in pack ? new HostedServiceSpec(workspace, pack) : pack;
}

/**
 * The specs of all services of the home that are supervised, wanted or not. They are made in one go, when all has been read: what
 * stays for as long as the daemon lives does not lie scattered among what was only read.
 */
export function allServiceSpecs(workspace: Workspace): ServiceSpec[] {
  const packs = services(workspace.registry).flatMap((row) => packOf(workspace, row) ?? []);
  return packs.map((pack) => specOf(workspace, pack));
}

/**
 * There is one of these for each service for as long as the daemon lives: what is seldom needed is read from the registry when it is,
 * what many have alike is there once, and there are no closures.
 */
class HostedServiceSpec implements ServiceSpec {
  readonly packId: string;
  readonly generation: number;
  readonly type: ServiceSpec["type"];
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly restart: ServiceSpec["restart"];
  readonly backoffSeconds: ServiceSpec["backoffSeconds"];
  readonly startLimit: ServiceSpec["startLimit"];
  readonly stopSignal: NodeJS.Signals;
  readonly stopTimeoutSeconds: number;
  readonly health: ServiceSpec["health"];
  readonly dependencies: readonly string[];
  readonly #workspace: Workspace;
  readonly #hasStop: boolean;
  readonly #hasProbe: boolean;

  constructor(workspace: Workspace, pack: ScriptPack) {
    const { id, entrypoint, service, health, dependencies } = pack.manifest.pack;
    const { burst, interval_seconds: intervalSeconds } = service.start_limit;
    this.#workspace = workspace;
    this.packId = id;
    this.generation = pack.generation;
    this.type = service.type === "notify" ? "notify" : "simple";
    this.argv = scriptArgv(entrypoint.start ?? [], pack.packDirectory).argv;
    this.cwd = pack.packDirectory;
    this.restart = service.restart;
    this.backoffSeconds = alike(service.backoff_seconds);
    this.startLimit = alike({ burst, intervalSeconds });
    this.stopSignal = service.stop_signal as NodeJS.Signals;
    this.stopTimeoutSeconds = service.stop_timeout_seconds;
    this.health = alike({ config: health, watchSeconds: health.watch_seconds });
    // What the operator has stopped, or what has no service, is waited for in vain.
    this.dependencies = alike(
      dependencies
        .map(({ pack_id: other }) => other)
        .filter((other) => serviceOf(workspace.registry, other)?.wanted === "running"),
    );
    this.#hasStop = entrypoint.stop !== null;
    this.#hasProbe = hasHealthCheck(pack.manifest);
  }

  get startTimeoutSeconds(): number {
    return START_TIMEOUT_MS / 1000;
  }

  get logDirectory(): string {
    return this.#workspace.paths.logsOf(this.packId);
  }

  env(): Readonly<Record<string, string>> {
    const workspace = this.#workspace;
    return serviceEnvironment(workspace.registry, this.packId) ?? hostedProcess(workspace, this.#pack()).env;
  }

  get beforeStop(): ServiceSpec["beforeStop"] {
    return this.#hasStop ? (signal) => runStop(this.#workspace, this.#pack(), signal) : undefined;
  }

  get probe(): ServiceSpec["probe"] {
    return this.#hasProbe ? (signal) => probe(this.#workspace, this.#pack(), signal) : null;
  }

  /** @throws {AuroraError} `not-found` where its tree is not known any more */
  #pack(): ScriptPack {
    const { packId, generation } = this;
    const pack = hostedPackOf(this.#workspace, packId, generation);
    if (pack) return pack;
    throw new AuroraError(
      "not-found",
      `cannot find generation ${generation} of "${packId}": its tree is not known any more`,
    );
  }
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
