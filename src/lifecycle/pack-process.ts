import { existsSync, realpathSync } from "node:fs";
import { dirname } from "node:path";

import { type Confinement, prepareConfinement } from "../process/confinement/confine.ts";
import { controlGroupReason } from "../process/confinement/control-group.ts";
import { explainPolicy, type Explanation } from "../process/confinement/explain.ts";
import { type KernelFeatures, probeKernel } from "../process/confinement/kernel.ts";
import { isEnforced, type Layer, layersFor } from "../process/confinement/layers.ts";
import { isBelow, packPolicy, type Policy } from "../process/confinement/policy.ts";
import { executedPlaces } from "../process/confinement/roots.ts";
import { readSystemFiles, type SystemFiles } from "../process/confinement/system-files.ts";
import { environmentOf } from "../registry/environment.ts";
import { livePack } from "../registry/packs.ts";
import { brokenVariables } from "../system/broken-variables.ts";
import { refuseOtherOwner } from "../system/ensure-home.ts";
import { homePaths } from "../system/home.ts";
import { channelDirectory } from "./channel/protocol.ts";
import { type DataMount, dataMounts, MOUNTS_VARIABLE, openDataMounts } from "./data-mounts.ts";
import { type MemoryMount, memoryMounts } from "./memory-mounts.ts";
import { DEFAULT_PATH, packEnvironment, type ScriptFacts } from "./pack-environment.ts";
import { giveToRoot, giveToUser, groupsOf, userOf } from "./pack-users.ts";
import { type ScriptPack } from "./script.ts";
import { isHosted } from "./service-host.ts";
import { type Workspace } from "./workspace.ts";

/** Why a pack's process is started. */
export type Purpose = "install" | "start" | "stop" | "health" | "test" | "exec" | "background" | "job";

/**
 * A supervised service, and a command in the background, write their logs themselves, and a service's is put aside when it has 8 MiB:
 * a lower limit for files would end whoever prints that much.
 */
const LEAST_FILE_LIMIT_BYTES = 64 * 1024 ** 2;

/** All that is needed to start one of a pack's processes. */
export type PackProcess = {
  /** The complete environment. */
  env: Record<string, string>;
  confinement: Confinement;
  /** Where its calls to `"$AURORA_BIN"` arrive (`serveChannel`); null where it reaches the home by itself. */
  channel: string | null;
  /** The user and group that it runs as; undefined: the caller's. */
  user: number | undefined;
  /** What confines it. */
  summary: ConfinementSummary;
};

/**
 * How to start a process of a pack: its environment, and what it may do by its manifest and the operator's approval. Whatever
 * starts a process for a pack builds it here.
 *
 * @param tmpDirectory its scratch
 * @param isAudit lets it do everything, and has reported what would be refused, as far as the kernel can tell
 * @throws {AuroraError} `denied` where confinement is required and this machine lacks it; `home-unusable` where the home is another
 *   user's
 */
export function packProcess(
  workspace: Workspace,
  pack: ScriptPack,
  purpose: Purpose,
  tmpDirectory: string,
  isAudit = false,
): PackProcess {
  refuseOtherOwner(workspace.paths);
  const user = userOf(workspace, pack, purpose, true);
  const memory = memoryMounts(pack, true);
  const inMemory = memory.map(({ directory }) => directory);
  if (user !== undefined) giveToUser(workspace, pack, [tmpDirectory, ...inMemory], user);
  else if (process.geteuid?.() === 0) giveToRoot(pack, inMemory);
  const mounts = dataMounts(workspace, pack);
  openDataMounts(workspace, pack, mounts, user ?? process.geteuid?.() ?? 0);
  const env: Record<string, string> = {
    ...environment(workspace, pack, tmpDirectory),
    ...(mounts.length + memory.length === 0
      ? {}
      : { [MOUNTS_VARIABLE]: JSON.stringify([...mounts, ...memory]) }),
  };
  const policy = policyOf(workspace, pack, purpose, tmpDirectory, user, { data: mounts, memory });
  const isRequired = pack.manifest.pack.permissions.confinement === "required" && !pack.allowAll;
  const confinement = prepareConfinement(policy, kernelFeatures(workspace), {
    required: isRequired || workspace.requireConfinement === true,
    audit: isAudit,
    // The operator's: a pack may set its own PATH, and must not choose what a name in permissions.run means.
    searchPath: workspace.env["PATH"] ?? DEFAULT_PATH,
  });
  const summary = summaryOf(policy, confinement.layers);
  const missing = confinement.layers.find(({ isRequired, enforced }) => isRequired && !enforced);
  if (missing && !pack.allowAll && !isAudit)
    warnOnce(workspace, pack, `${missing.name} is not available: ${missing.reason}`);
  // An audit is to be as the real thing.
  if (keepOut(confinement.layers) || confinement.audit !== undefined) {
    const channel = channelDirectory(tmpDirectory);
    const PATH = usablePath(env["PATH"] ?? "", policy);
    return {
      env: {
        ...env,
        PATH,
        TMPDIR: tmpDirectory,
        AURORA_CHANNEL: channel,
      },
      confinement,
      channel,
      user,
      summary,
    };
  }
  return { env, confinement, channel: null, user, summary };
}

/** What a process of a pack may do, line by line, and what enforces each. */
export type ProcessExplanation = {
  pack_id: string;
  policy: Explanation[];
  layers: ConfinementSummary["layers"];
  /** Paths and programs that do not exist, and so grant nothing. */
  absent: string[];
};

/** Explains what `packProcess` would start. */
export function explainPackProcess(
  workspace: Workspace,
  pack: ScriptPack,
  purpose: Purpose,
): ProcessExplanation {
  const policy = policyOf(
    workspace,
    pack,
    purpose,
    `${workspace.paths.tmp}/${purpose}-…`,
    userOf(workspace, pack, purpose, false),
  );
  const features = kernelFeatures(workspace);
  const known = new Set([...pack.permissions.read, ...pack.permissions.write, ...pack.permissions.run]);
  return {
    pack_id: pack.manifest.pack.id,
    policy: explainPolicy(policy, features, process.geteuid?.() === 0),
    layers: summarizeConfinement(policy, features).layers,
    absent: prepareConfinement(policy, features, { required: false }).absent.filter((path) =>
      known.has(path),
    ),
  };
}

/** What a pack mounts and its processes may write to, as it is now. */
type ProcessMounts = { data: readonly DataMount[]; memory: readonly MemoryMount[] };

/** The policy of a pack's processes, also where the kernel cannot enforce all of it. */
function policyOf(
  workspace: Workspace,
  pack: ScriptPack,
  purpose: Purpose,
  tmpDirectory: string,
  user: number | undefined,
  mounts: ProcessMounts = { data: dataMounts(workspace, pack), memory: memoryMounts(pack, false) },
  // For a user of its own, the permissions in /etc keep its secrets: only for root they have to be looked for.
  system: SystemFiles = readSystemFiles(performance.now(), process.geteuid?.() === 0 && user === undefined),
): Policy {
  const { permissions, manifest } = pack;
  const { limits, service, entrypoint, dependencies } = manifest.pack;
  const needed = dependencies.map(({ pack_id }) => pack_id);
  const shared = (wanted: DataMount["mode"]) =>
    mounts.data.flatMap(({ mode, directory }) => (mode === wanted && directory !== null ? [directory] : []));
  return packPolicy({
    system,
    tree: pack.packDirectory,
    dataDir: pack.dataDirectory,
    logDir: pack.logDirectory,
    scratchDir: tmpDirectory,
    memory: mounts.memory.map(({ directory }) => directory),
    home: pack.home,
    permissions: {
      // In a dry run only copies may be written.
      read: pack.isDryRun
        ? [...permissions.read, ...permissions.write]
        : [...permissions.read, ...shared("ro")],
      write: pack.isDryRun ? [pack.packDirectory] : [...permissions.write, ...shared("rw")],
      // What a script builds or unpacks in its scratch it may run there; with the scratch it is gone.
      run: [...permissions.run, tmpDirectory, ...liveTrees(workspace, needed)],
      net: { connect: permissions.connect, listen: permissions.listen, udp: permissions.udp },
      unix: permissions.unix,
    },
    limits: writesOwnLog(purpose, manifest) ? withRoomForLog(limits) : limits,
    runtime: ownPrograms(workspace.self),
    allowAll: pack.allowAll,
    signals: signalsOf(purpose, service.type === "oneshot" && entrypoint.start !== null),
    notify: service.type === "notify" && purpose === "start",
    ...(user === undefined ? {} : { uid: user, gid: user, groups: groupsOf(workspace, needed) }),
  });
}

function writesOwnLog(purpose: Purpose, manifest: ScriptPack["manifest"]): boolean {
  return purpose === "background" || (purpose === "start" && isHosted(manifest));
}

function withRoomForLog({ file_size_bytes: bytes, ...limits }: Policy["limits"]): Policy["limits"] {
  return { ...limits, file_size_bytes: bytes === null ? null : Math.max(bytes, LEAST_FILE_LIMIT_BYTES) };
}

/**
 * Each start is an inside of its own for the kernel, so that the stop script of a oneshot pack could not even look whether what
 * its start has left still lives: those who have to do with that may send signals to every process of their user.
 */
function signalsOf(purpose: Purpose, leavesProcesses: boolean): Policy["signals"] {
  return leavesProcesses && purpose !== "install" && purpose !== "test" ? "user" : "inside";
}

/** The trees of packs that this one depends on, as far as they are live: it may read and run what is in them. */
function liveTrees({ registry, paths }: Workspace, packIds: readonly string[]): string[] {
  return packIds.flatMap((packId) => {
    const live = livePack(registry, packId);
    return live === undefined ? [] : [paths.tree(live.digest)];
  });
}

/** This program, and what it needs to run from its sources. */
function ownPrograms(self: string): string[] {
  const programs = [process.execPath, self].map(realPath);
  return self.endsWith("/scripts/aurora") ? [...programs, dirname(dirname(realPath(self)))] : programs;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/**
 * PATH without the directories that nothing may be executed from: shells take the first program of a name that they find, and do
 * not go on where it is refused.
 */
function usablePath(path: string, policy: Policy): string {
  const roots = [...executedPlaces(policy.system), ...policy.execute.map(realPath)];
  const usable = path.split(":").filter((directory) => {
    const real = realPath(directory);
    return (
      roots.some((root) => isBelow(real, root)) ||
      policy.programs.some((name) => existsSync(`${real}/${name}`))
    );
  });
  return usable.length > 0 ? usable.join(":") : DEFAULT_PATH;
}

function environment(workspace: Workspace, pack: ScriptPack, tmpDirectory: string): Record<string, string> {
  const { id, version } = pack.manifest.pack;
  const facts: ScriptFacts = {
    packId: id,
    version,
    generation: pack.generation,
    packDirectory: pack.packDirectory,
    dataDirectory: pack.dataDirectory,
    logDirectory: pack.logDirectory,
    tmpDirectory,
    home: pack.home,
    self: workspace.self,
    isDryRun: pack.isDryRun,
  };
  const own = environmentOf(workspace.registry, id);
  return {
    ...packEnvironment(facts, workspace.env, pack.permissions.env, own, brokenVariables(workspace.env)),
    // By this an orphaned script is found, and one that is not confined does not wait for the very command that runs it.
    ...(workspace.lockToken === undefined ? {} : { AURORA_LOCK: workspace.lockToken }),
  };
}

const warned = new Set<string>();

/** Once for a pack in a command is enough. */
function warnOnce(workspace: Workspace, { manifest }: ScriptPack, reason: string): void {
  const { id } = manifest.pack;
  if (warned.has(id)) return;
  warned.add(id);
  workspace.warn(`"${id}" is not wholly confined: ${reason}`);
}

/** How far a policy is enforced, in one word. */
type ConfinementState = "enforced" | "partial" | "none" | "allow-all";

/** What confines a pack's processes on this machine, as it is shown and recorded. */
export type ConfinementSummary = {
  state: ConfinementState;
  /** The user and group of its own that the pack runs as; null: whoever calls Aurora. */
  user: number | null;
  layers: { name: string; enforced: boolean; reason: string | null }[];
};

/** What this kernel offers: it is tried once after each start of the machine, and kept in the home by who holds its lock. */
export function kernelFeatures({ paths, homeOnDisk, lockToken }: Workspace): KernelFeatures {
  const { kernel } = homeOnDisk === undefined ? paths : homePaths(homeOnDisk);
  return probeKernel({ path: kernel, isWritable: lockToken !== undefined });
}

const noMounts: ProcessMounts = { data: [], memory: [] };
const noFiles: SystemFiles = { execute: [], read: [], list: [], devices: [], sharedMemory: [] };

/** Whether what confines a pack's scripts will keep them from the home's state. */
export function isKeptOut(workspace: Workspace, pack: ScriptPack): boolean {
  const user = userOf(workspace, pack, "install", false);
  const policy = policyOf(workspace, pack, "install", workspace.paths.tmp, user, noMounts, noFiles);
  return keepOut(layersFor(policy, kernelFeatures(workspace), process.geteuid?.() === 0));
}

/** Each of these does. */
function keepOut(layers: readonly Layer[]): boolean {
  return isEnforced(layers, "landlock-files", "mount-namespace");
}

/** What will confine a pack's start, for its plan. Which files the machine has does not matter for that, and is not looked at. */
export function plannedConfinement(workspace: Workspace, pack: ScriptPack): ConfinementSummary {
  const user = userOf(workspace, pack, "start", false);
  const mounts = { data: dataMounts(workspace, pack), memory: [] };
  const policy = policyOf(workspace, pack, "start", workspace.paths.tmp, user, mounts, noFiles);
  const features = kernelFeatures(workspace);
  const isElsewhere = isHosted(pack.manifest) && features.controlGroup !== null;
  // Where the daemon is may be a control group that is its own: only that differs, and only from where there is none.
  const host = isElsewhere && hasGroupLimits(policy) ? workspace.hostPid?.() : undefined;
  return summarizeConfinement(
    policy,
    host === undefined ? features : { ...features, controlGroup: controlGroupReason("", host) },
  );
}

function hasGroupLimits({ limits }: Policy): boolean {
  return limits.memory_bytes !== null || limits.processes !== null;
}

/** What confines a policy's processes on a machine that offers this. */
function summarizeConfinement(policy: Policy, features: KernelFeatures): ConfinementSummary {
  return summaryOf(policy, layersFor(policy, features, process.geteuid?.() === 0));
}

function summaryOf(policy: Policy, layers: readonly Layer[]): ConfinementSummary {
  return {
    state: stateOf(policy, layers),
    user: policy.uid ?? null,
    layers: layers.map(({ name, enforced, reason }) => ({ name, enforced, reason })),
  };
}

function stateOf({ unconfined }: Policy, layers: readonly { enforced: boolean; isRequired: boolean }[]) {
  if (unconfined) return "allow-all";
  const required = layers.filter(({ isRequired }) => isRequired);
  if (required.every(({ enforced }) => enforced)) return "enforced";
  return required.some(({ enforced }) => enforced) ? "partial" : "none";
}
