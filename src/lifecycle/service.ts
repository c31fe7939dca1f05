import { closeSync, fchownSync, fstatSync } from "node:fs";

import { AuroraError, toAuroraError } from "../errors.ts";
import { type Manifest } from "../manifest/schema.ts";
import { startGroupOf } from "../process/confinement/control-group.ts";
import { run } from "../process/run.ts";
import { scriptArgv } from "../process/script-argv.ts";
import { appendTimeIndex, serviceLogs } from "../process/service-log.ts";
import { findProcesses, type ProcessIdentity, stopTree } from "../process/tree.ts";
import { appendEvent } from "../registry/events.ts";
import {
  noRemarks,
  serviceOf,
  type ServiceRow,
  type ServiceState,
  setService,
  setServiceConfinement,
} from "../registry/services.ts";
import { bootId } from "../system/boot.ts";
import { killGroup, removeGroup } from "../system/control-group.ts";
import { makeDirectory } from "../system/durable.ts";
import { openLog } from "../system/open-untrusted.ts";
import { removeTree } from "../system/scratch.ts";
import { hostOf, hostTimeoutMs, serviceTmp, startHosted } from "./hosted-service.ts";
import { observeService } from "./observe-service.ts";
import { ownSession } from "./own-session.ts";
import { packProcess } from "./pack-process.ts";
import { printedSince } from "./printed-since.ts";
import { rotateLogs } from "./script-log.ts";
import {
  endingOf,
  endOfRun,
  OwnAnswers,
  runScript,
  type ScriptPack,
  type ScriptReport,
  serveOwn,
  START_TIMEOUT_MS,
} from "./script.ts";
import { isHosted } from "./service-host.ts";
import { timestamp, type Workspace } from "./workspace.ts";

/** How long a stopped tree may take to vanish after SIGKILL before it counts as a failure, in milliseconds. */
const KILL_TIMEOUT_MS = 5000;

/**
 * Starts a pack's service. What the start entrypoint of a oneshot pack leaves running belongs to the pack: its output goes
 * to the pack's logs by descriptor, so that it outlives this program. The other types are run by their host.
 *
 * @returns the report of the script; the service runs where rc is 0
 */
export async function startService(workspace: Workspace, pack: ScriptPack): Promise<ScriptReport> {
  const { id, entrypoint } = pack.manifest.pack;
  const host = hostOf(workspace, pack.manifest);
  if (host) return await startHosted(workspace, host, pack);
  if (entrypoint.start === null) {
    const { since: at } = recordEmptyStart(workspace, pack);
    return {
      name: "start",
      rc: 0,
      signal: null,
      timeout: false,
      at,
      duration_ms: 0,
      stdout: "",
      stderr: "",
    };
  }

  const row = startingRow(workspace, pack);
  setService(workspace.registry, row);
  const start = runStart(workspace, pack, entrypoint.start, row.service_id);
  const { report, session, left, summary } = await start.catch((thrown: unknown) => {
    setService(workspace.registry, { ...row, state: "failed", reason: toAuroraError(thrown).message });
    throw thrown;
  });
  const state: ServiceState = report.rc === 0 ? "running" : "failed";
  workspace.registry.write(() => {
    setService(workspace.registry, {
      ...row,
      state,
      session,
      rc: report.rc,
      processes: JSON.stringify(left),
      reason: report.rc === 0 ? null : `its start script ${endingOf(report)}`,
    });
    setServiceConfinement(workspace.registry, id, JSON.stringify(summary));
    appendEvent(workspace.registry, {
      at: timestamp(workspace),
      packId: id,
      kind: report.rc === 0 ? "started" : "start-failed",
      detail: { generation: pack.generation, rc: report.rc, processes: left.length },
    });
  });
  if (report.rc !== 0) await stopProcesses(pack, { ...row, session, processes: JSON.stringify(left) });
  return report;
}

/** Whether there is nothing that a start of this pack would run. */
export function startsNothing({ pack }: Manifest): boolean {
  return pack.entrypoint.start === null;
}

/** The start of a pack that starts nothing: it runs by what the registry says. */
export function recordEmptyStart(workspace: Workspace, pack: ScriptPack): ServiceRow {
  const row: ServiceRow = { ...startingRow(workspace, pack), state: "running", rc: 0 };
  setService(workspace.registry, row);
  return row;
}

function startingRow(workspace: Workspace, { manifest, generation }: ScriptPack): ServiceRow {
  const { id } = manifest.pack;
  return {
    pack_id: id,
    wanted: "running",
    state: "starting",
    generation,
    since: timestamp(workspace),
    service_id: crypto.randomUUID(),
    session: null,
    boot_id: bootId(),
    processes: "[]",
    rc: null,
    restarts: serviceOf(workspace.registry, id)?.restarts ?? 0,
    health: "unknown",
    health_at: null,
    ...noRemarks,
  };
}

async function runStart(workspace: Workspace, pack: ScriptPack, entry: readonly string[], serviceId: string) {
  const { id } = pack.manifest.pack;
  makeDirectory(pack.dataDirectory, 0o700);
  makeDirectory(pack.logDirectory, 0o700);
  const tmpDirectory = serviceTmp(workspace, id);
  removeTree(tmpDirectory);
  makeDirectory(tmpDirectory, 0o700);
  const logs = serviceLogs(pack.logDirectory);
  rotateLogs([logs.stdout, logs.stderr, logs.index]);
  const stdout = openLog(logs.stdout);
  const stderr = openLog(logs.stderr);
  const before = { stdout: fstatSync(stdout).size, stderr: fstatSync(stderr).size };
  const at = timestamp(workspace);
  appendTimeIndex(pack.logDirectory, at, before);
  try {
    const { argv, env } = scriptArgv(entry, pack.packDirectory);
    const prepared = packProcess(workspace, pack, "start", tmpDirectory);
    const { env: environment, confinement, user, summary } = prepared;
    // So that it can open /dev/stdout and /dev/stderr.
    if (user !== undefined) for (const log of [stdout, stderr]) fchownSync(log, user, user);
    await using _channel = serveOwn(new OwnAnswers(() => workspace), pack.manifest.pack.id, prepared);
    const result = await run({
      argv,
      cwd: pack.packDirectory,
      env: { ...environment, ...env, AURORA_SERVICE: serviceId },
      confinement,
      stdout: { descriptor: stdout },
      stderr: { descriptor: stderr },
      timeoutMs: START_TIMEOUT_MS,
      signal: workspace.signal,
      leaveRunning: true,
    });
    const after = { stdout: fstatSync(stdout).size, stderr: fstatSync(stderr).size };
    appendTimeIndex(pack.logDirectory, timestamp(workspace), after);
    const report: ScriptReport = {
      name: "start",
      ...endOfRun(result),
      at,
      stdout: printedSince(stdout, before.stdout),
      stderr: printedSince(stderr, before.stderr),
    };
    return { report, session: result.pid, left: result.left, summary };
  } finally {
    closeSync(stdout);
    closeSync(stderr);
  }
}

/**
 * Stops a service: its stop entrypoint first, with a time limit, then a signal to whatever the start has left, then SIGKILL.
 * A broken stop script changes nothing about the outcome, since the script of an old version must never be the only way
 * forward.
 *
 * @param wanted what the operator wants from now on; a transaction that restarts the service leaves it as it was
 * @throws {AuroraError} `failed` where processes survive SIGKILL
 */
export async function stopService(
  workspace: Workspace,
  pack: ScriptPack,
  wanted: ServiceRow["wanted"],
): Promise<void> {
  const { id, entrypoint, service } = pack.manifest.pack;
  const row = serviceOf(workspace.registry, id);
  if (!row) return;
  const isThere = row.state !== "stopped";
  // What is wanted is written first: whoever might start it again looks there.
  if (isThere)
    setService(workspace.registry, {
      ...row,
      wanted: isHosted(pack.manifest) ? wanted : row.wanted,
      state: "stopping",
      since: timestamp(workspace),
    });
  // The host runs the stop entrypoint itself, and first of all sees to it that the service is not started again.
  const host = isHosted(pack.manifest) ? workspace.services : undefined;
  if (host && isThere) await host.stop(id, hostTimeoutMs(pack.manifest));
  if (!host && isThere && entrypoint.stop !== null && row.boot_id === bootId()) {
    const report = await tryScript(workspace, pack, service.stop_timeout_seconds * 1000);
    if (report !== undefined)
      workspace.warn(`the stop script of "${id}" ${report}; its processes are stopped all the same`);
  }
  const last = serviceOf(workspace.registry, id) ?? row;
  const survivors = await stopProcesses(pack, last);
  removeTree(serviceTmp(workspace, id));
  if (survivors > 0)
    throw new AuroraError("failed", `cannot stop "${id}": ${survivors} of its processes survive SIGKILL`);
  workspace.registry.write(() => {
    setService(workspace.registry, {
      ...last,
      wanted,
      state: "stopped",
      session: null,
      since: isThere ? timestamp(workspace) : row.since,
      processes: "[]",
      health: "unknown",
      health_at: null,
      ...noRemarks,
    });
    if (isThere && !host)
      appendEvent(workspace.registry, { at: timestamp(workspace), packId: id, kind: "stopped", detail: {} });
  });
}

/** Runs the stop script; what went wrong with it, or undefined. */
async function tryScript(
  workspace: Workspace,
  pack: ScriptPack,
  timeoutMs: number,
): Promise<string | undefined> {
  try {
    const report = await runScript(workspace, pack, "stop", { timeoutMs });
    return report.rc === 0 ? undefined : endingOf(report);
  } catch (thrown) {
    if (thrown instanceof AuroraError) return `cannot be run: ${thrown.message}`;
    throw thrown;
  }
}

/** All processes of a service, also those that no one else knows of; `find` looks for them anew. */
export function serviceTree(row: ServiceRow): {
  find: () => ProcessIdentity[];
  /** Where its start had a group: all that is in it is of the service, what has left its session and cleared its environment too. */
  controlGroup: string | undefined;
} {
  const known = observeService(row, bootId()).processes;
  const session = ownSession(row, known);
  const match = {
    environment: { AURORA_SERVICE: row.service_id },
    ...(session === undefined ? {} : { session }),
  };
  const controlGroup = known.map(({ pid }) => startGroupOf(pid)).find((directory) => directory !== undefined);
  const whole = controlGroup === undefined ? match : { ...match, controlGroup };
  return { find: () => findProcesses(whole), controlGroup };
}

async function stopProcesses(pack: ScriptPack, row: ServiceRow): Promise<number> {
  const { service } = pack.manifest.pack;
  const { find, controlGroup } = serviceTree(row);
  const { survivors } = await stopTree(find, {
    signal: service.stop_signal as NodeJS.Signals,
    timeoutMs: service.stop_timeout_seconds * 1000,
    killTimeoutMs: KILL_TIMEOUT_MS,
    ...(controlGroup === undefined ? {} : { killAll: () => void killGroup(controlGroup) }),
  });
  if (controlGroup !== undefined) removeGroup(controlGroup);
  return survivors.length;
}
