import { closeSync, lstatSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { type Manifest } from "../manifest/schema.ts";
import { scriptArgv } from "../process/script-argv.ts";
import { serviceLogs } from "../process/service-log.ts";
import {
  noRemarks,
  serviceOf,
  setService,
  setServiceConfinement,
  setServiceEnvironment,
} from "../registry/services.ts";
import { bootId } from "../system/boot.ts";
import { makeDirectory } from "../system/durable.ts";
import { openRegular } from "../system/open-untrusted.ts";
import { awaitedPacks, showAwaited } from "./awaited-packs.ts";
import { type PackProcess, packProcess } from "./pack-process.ts";
import { printedSince } from "./printed-since.ts";
import { type ScriptPack, type ScriptReport } from "./script.ts";
import { hasStarted, type HostedService, isHosted, type ServiceHost } from "./service-host.ts";
import { timestamp, type Workspace } from "./workspace.ts";

/** Beside the time that a service has to stop, its host may take so long, in milliseconds. */
const HOST_ANSWER_MS = 30_000;

/**
 * The host that a pack's service needs, or undefined for one that needs none.
 *
 * @throws {AuroraError} `failed` where it needs one and none may be used
 */
export function hostOf(workspace: Workspace, manifest: Manifest): ServiceHost | undefined {
  if (!isHosted(manifest)) return undefined;
  if (workspace.services) return workspace.services;
  const { id, service } = manifest.pack;
  throw new AuroraError(
    "failed",
    `cannot run "${id}": its service type is "${service.type}", which needs the daemon, and --no-daemon forbids it`,
    { hint: "leave out --no-daemon" },
  );
}

/** Scratch of a running service: kept until it stops. */
export function serviceTmp({ paths }: Pick<Workspace, "paths">, packId: string): string {
  return `${paths.run}/tmp/${packId}`;
}

/**
 * What a service is started with, now and by whoever starts it again: its complete environment, and what confines it.
 *
 * @throws {AuroraError} `denied` where it cannot be confined as it has to be
 */
export function hostedProcess(workspace: Workspace, pack: ScriptPack): PackProcess {
  const { id, entrypoint } = pack.manifest.pack;
  const { env } = scriptArgv(entrypoint.start ?? [], pack.packDirectory);
  const tmpDirectory = serviceTmp(workspace, id);
  for (const directory of [pack.dataDirectory, pack.logDirectory, tmpDirectory])
    makeDirectory(directory, 0o700);
  const prepared = packProcess(workspace, pack, "start", tmpDirectory);
  // It outlives the command that starts it, and with it that command's lock.
  const { AURORA_LOCK: _lock, ...own } = prepared.env;
  return { ...prepared, env: { ...own, ...env } };
}

/** Writes down that a service is wanted, and with what; then has its host run it. */
export async function startHosted(
  workspace: Workspace,
  host: ServiceHost,
  pack: ScriptPack,
): Promise<ScriptReport> {
  const { id } = pack.manifest.pack;
  const { registry } = workspace;
  const at = timestamp(workspace);
  const { env, summary } = hostedProcess(workspace, pack);
  const before = logSizes(pack.logDirectory);
  const started = performance.now();
  registry.write(() => {
    setService(registry, {
      pack_id: id,
      wanted: "running",
      state: "starting",
      generation: pack.generation,
      since: at,
      service_id: serviceOf(registry, id)?.service_id ?? crypto.randomUUID(),
      session: null,
      boot_id: bootId(),
      processes: "[]",
      rc: null,
      restarts: 0,
      health: "unknown",
      health_at: null,
      ...noRemarks,
    });
    setServiceEnvironment(registry, id, env);
    setServiceConfinement(registry, id, JSON.stringify(summary));
  });
  const service = await startOrStop(workspace, host, pack);
  const logs = serviceLogs(pack.logDirectory);
  const isUp = hasStarted(service);
  const rc = isUp ? 0 : service.exit_code === 0 || service.exit_code === null ? -1 : service.exit_code;
  return {
    name: "start",
    rc,
    // That it ended with this exit code is said already.
    why:
      isUp || service.reason === `it ended with exit code ${rc}` ? null : whyNotUp(workspace, pack, service),
    signal: null,
    timeout: false,
    at,
    duration_ms: Math.round(performance.now() - started),
    stdout: printedTo(logs.stdout, before.stdout),
    stderr: printedTo(logs.stderr, before.stderr),
  };
}

/** With what it waits for, and why that is not healthy. */
function whyNotUp(
  { registry }: Workspace,
  { manifest }: ScriptPack,
  { state, reason }: HostedService,
): string | null {
  if (state !== "starting" || reason === null) return reason;
  return [reason, ...awaitedPacks(registry, manifest)].join("; ");
}

/** What is interrupted while it starts is stopped again. */
async function startOrStop(
  workspace: Workspace,
  host: ServiceHost,
  pack: ScriptPack,
): Promise<HostedService> {
  const { id } = pack.manifest.pack;
  const { signal } = workspace;
  using _shown = showAwaited(workspace, pack.manifest);
  try {
    return await host.start(id, pack.generation, signal);
  } catch (thrown) {
    if (signal.aborted) await host.stop(id, hostTimeoutMs(pack.manifest));
    throw thrown;
  }
}

/** A host that does not answer for so long does not work, in milliseconds. */
export function hostTimeoutMs({ pack: { service } }: Manifest): number {
  return service.stop_timeout_seconds * 1000 + HOST_ANSWER_MS;
}

function logSizes(logDirectory: string): { stdout: number; stderr: number } {
  const { stdout, stderr } = serviceLogs(logDirectory);
  return { stdout: sizeOf(stdout), stderr: sizeOf(stderr) };
}

function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** The service may have put a trap in the place of its log. */
function printedTo(path: string, sizeBefore: number): string {
  const descriptor = openRegular(path);
  if (descriptor === undefined) return "";
  try {
    return printedSince(descriptor, sizeBefore);
  } finally {
    closeSync(descriptor);
  }
}
