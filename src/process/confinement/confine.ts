import { closeSync, fstatSync, readFileSync, readSync } from "node:fs";

import { AuroraError } from "../../errors.ts";
import { openMemfdExecutable } from "../../system/memfd-executable.ts";
import { openMemoryFile } from "../../system/memory-file.ts";
import { mostOpenFiles } from "../../system/open-files.ts";
import { raiseDescriptor } from "../../system/raise-descriptor.ts";
import { refuseNul } from "../refuse-nul.ts";
import { type AuditCoverage, auditLayers, landlockAuditReason } from "./audit.ts";
import { type ControlGroup, openControlGroup, renewControlGroup } from "./control-group.ts";
import { type KernelFeatures } from "./kernel.ts";
import { isEnforced, type Layer, layersFor } from "./layers.ts";
import { pinnedDescriptors, pinnedNamespaces } from "./pinned-namespaces.ts";
import { type Policy } from "./policy.ts";
import { LAUNCHER_NAME } from "./process-names.ts";
import { reExecCommand } from "./re-exec.ts";
import { type MemoryReport, parseMemoryReport, parseReport, type Report } from "./report.ts";
import { findRoots, systemRootAround } from "./roots.ts";
import { type CompiledPlan, compilePlan, compileStart, ENTER_TEXT, EXECUTE_TEXT } from "./start-plan.ts";
import { type Command, FIRST_PASSED, IMAGE_DESCRIPTOR, REPORT_DESCRIPTOR } from "./start.ts";

export type ConfinementOptions = {
  /** `confinement: required` or `--require-confinement`: without its layers nothing is started. */
  required: boolean;
  /**
   * Let the command do everything but what Landlock refuses and tells, and have reported what the policy would refuse, as far as
   * that can be told: `audit` of the result says what can. Not together with `required`.
   */
  audit?: boolean;
  /** PATH, for the policy's programs that are given by name. */
  searchPath?: string;
};

/** How to start commands under a policy. It holds nothing open; each launch does. */
export type Confinement = {
  /** What the kernel enforces, and what it does not, with reasons. */
  layers: Layer[];
  /** For an audit: what can be told of each layer. `AuditLog` has the reports. */
  audit?: AuditCoverage[];
  /** Paths and programs of the policy that do not exist now, and so grant nothing. */
  absent: string[];
  /**
   * Prepares one start. Null where no layer is enforced and no limit is set: then the command is started as it is.
   *
   * @throws {AuroraError} `exec-failed` where an argument or a variable holds a NUL byte or there is no memory for it
   */
  launch: ((command: Command) => Launch) | null;
  /** Whom the command runs as, where that is not the caller. */
  user?: { uid: number; gid: number };
  /**
   * Makes a control group with the limits for one start, which the child has to be put into; undefined where there is none.
   * `spawnConfined` does it.
   */
  openGroup?: () => ControlGroup;
  /** Sets the limits again on the control group of a process that was started with this before, by whomever. */
  renewGroup?: (pid: number) => void;
};

/** Nothing is enforced: a command may do what the caller may. */
export const unconfined: Confinement = { layers: [], absent: [], launch: null };

/**
 * One start. Spawn `file` with `argv`, an empty environment, and `descriptors` as descriptors 3 and on; the working directory
 * does not matter. The process that is spawned becomes the command: its pid, exit code, signals and standard streams are
 * the command's; with a pid namespace it stands for the command outside (see `Policy.processNamespace`). When it has been
 * spawned call `dispose`, or, to hear why it could not become the command, after its end call `failure` first.
 */
type Launch = {
  file: string;
  /** The first is what `ps` shows for the instant before the command takes over. */
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  /** What the launcher reads and writes. The command itself gets none of them. */
  descriptors: readonly number[];
  /**
   * Why the command was not executed; undefined where it was. Ask when the process has ended with code 125: a command that
   * ends with 125 itself has left no report.
   */
  failure: () => AuroraError | undefined;
  /** What memory it has had, asked when it has ended; undefined where nobody has waited for it inside. */
  memory: () => MemoryReport | undefined;
  dispose: () => void;
  [Symbol.dispose]: () => void;
};

const ENOENT = 2;
const EACCES = 13;
const MAX_REPORT_BYTES = 16_384;
const FIRST_UNPRIVILEGED_PORT = 1024;
const CAP_NET_BIND_SERVICE = 10n;

/**
 * Decides how commands are started under a policy on this kernel. What the kernel has is used; a layer that is promised in
 * `layers` and then fails keeps the command from starting, it never starts unconfined.
 *
 * @throws {AuroraError} `denied` where confinement is required and a layer for it is missing, or where the policy names a
 *   user and the caller is not root, or where the home lies in a part of the system that every pack may read
 */
export function prepareConfinement(
  policy: Policy,
  features: KernelFeatures,
  options: ConfinementOptions,
): Confinement {
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  if (policy.uid !== undefined && policy.uid !== uid && uid !== 0)
    throw new AuroraError("denied", `cannot run as user ${policy.uid}: only root can run as another user`);
  const all = layersFor(policy, features, uid === 0);
  if (options.required) requireLayers(all);
  const audited =
    options.audit === true && !options.required
      ? auditLayers(all, landlockAuditReason(features.landlockAbi))
      : undefined;
  const layers = audited?.layers ?? all;
  const isAudit = audited?.coverage.some(({ state }) => state === "reported") ?? false;
  const audit = audited === undefined ? {} : { audit: audited.coverage };
  if (features.arch === null || !(isAudit || layers.some(({ enforced }) => enforced)))
    return { layers, ...audit, absent: [], launch: null };
  if (!policy.unconfined) refuseOpenHome(policy);
  const { list: roots, absent } = findRoots(policy, options.searchPath);
  const { arch, landlockAbi, needsUserNamespace } = features;
  const keepsLowPorts =
    !isAudit &&
    // In a user namespace a capability is good for nothing outside of it.
    !needsUserNamespace &&
    isEnforced(layers, "landlock-ports") &&
    policy.net.listen.some((port) => port < FIRST_UNPRIVILEGED_PORT) &&
    mayBindLowPorts();
  const plan = {
    policy,
    roots,
    layers,
    landlockAbi,
    needsUserNamespace,
    uid,
    gid,
    arch,
    isAudit,
    mostOpenFiles: mostOpenFiles(),
    keepsLowPorts,
  };
  const mayShare =
    isEnforced(layers, "network-namespace") &&
    // The kernel counts a user's processes for each user namespace.
    !(needsUserNamespace && policy.limits.processes !== null);
  const compiled = new Map<string, CompiledPlan>();
  const planFor = (newSession: boolean) => {
    const pinned = mayShare ? pinnedNamespaces(arch, needsUserNamespace) : undefined;
    const key = `${newSession} ${pinned !== undefined}`;
    const known = compiled.get(key) ?? compilePlan({ ...plan, newSession, pinned });
    compiled.set(key, known);
    return known;
  };
  const { backEnd = "launcher" } = features;
  const launch = (command: Command) => prepareLaunch(planFor(command.newSession ?? false), command, backEnd);
  return {
    layers,
    ...audit,
    absent,
    launch,
    ...(policy.uid === undefined || policy.uid === uid
      ? {}
      : { user: { uid: policy.uid, gid: policy.gid ?? policy.uid } }),
    ...(isEnforced(layers, "control-group")
      ? {
          openGroup: () => openControlGroup(policy.limits),
          renewGroup: (pid: number) => renewControlGroup(pid, policy.limits),
        }
      : {}),
  };
}

/** Whether this process has the capability itself: not even root has it in every container, and nobody can give what he has not. */
function mayBindLowPorts(): boolean {
  const [, permitted] = /^CapPrm:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return permitted !== undefined && ((BigInt(`0x${permitted}`) >> CAP_NET_BIND_SERVICE) & 1n) === 1n;
}

function requireLayers(layers: readonly Layer[]): void {
  const missing = layers.find(({ enforced, isRequired }) => isRequired && !enforced);
  if (missing === undefined) return;
  throw new AuroraError("denied", `cannot confine: ${missing.name} is not available: ${missing.reason}`, {
    hint: "aurora doctor shows what this machine can enforce",
  });
}

/** Landlock cannot take a directory out of another that is granted. */
function refuseOpenHome(policy: Policy): void {
  const open = systemRootAround(policy);
  if (open === undefined) return;
  throw new AuroraError("denied", `cannot confine: the home lies in "${open}", which every pack may read`, {
    hint: "give --home DIR, or set AURORA_HOME, to a directory elsewhere",
  });
}

function prepareLaunch(
  compiled: CompiledPlan,
  command: Command,
  backEnd: NonNullable<KernelFeatures["backEnd"]>,
): Launch {
  refuseNul(command);
  const { arch } = compiled.start.plan;
  const image = compileStart(compiled, command).build(arch, REPORT_DESCRIPTOR);
  const { pinned } = compiled.start.plan;
  const open: number[] = [];
  const keep = (descriptor: number) => {
    const raised = raiseDescriptor(descriptor, FIRST_PASSED);
    open.push(raised);
    return raised;
  };
  const dispose = () => {
    for (const descriptor of open.splice(0)) closeSync(descriptor);
  };
  try {
    const reportDescriptor = keep(openMemoryFile("aurora-report", new Uint8Array()));
    return {
      ...(backEnd === "launcher"
        ? {
            file: `/proc/${process.pid}/fd/${keep(openMemfdExecutable(LAUNCHER_NAME, image))}`,
            argv: command.argv.slice(0, 1),
            descriptors: [reportDescriptor, ...(pinned ? pinnedDescriptors(pinned) : [])],
          }
        : {
            ...reExecCommand(IMAGE_DESCRIPTOR),
            descriptors: [reportDescriptor, keep(openMemoryFile("aurora-image", image))],
          }),
      env: {},
      failure: () => failureOf(command.file, parseReport(readReport(reportDescriptor))),
      memory: () => parseMemoryReport(readReport(reportDescriptor)),
      dispose,
      [Symbol.dispose]: dispose,
    };
  } catch (thrown) {
    dispose();
    throw thrown;
  }
}

function readReport(descriptor: number): string {
  const bytes = Buffer.alloc(Math.min(fstatSync(descriptor).size, MAX_REPORT_BYTES));
  return bytes.toString("utf8", 0, readSync(descriptor, bytes, 0, bytes.length, 0));
}

/** In the words that an unconfined start has for the same. */
function failureOf(file: string, report: Report | undefined): AuroraError | undefined {
  if (report === undefined) return undefined;
  const { step, errno, reason } = report;
  if (step.startsWith(`${EXECUTE_TEXT} `)) {
    if (errno === ENOENT)
      return new AuroraError("not-executable", `cannot run "${file}": its interpreter does not exist`, {
        hint: `head -1 ${file} shows which it is`,
      });
    const isRefused = errno === EACCES;
    return new AuroraError(isRefused ? "not-executable" : "exec-failed", `cannot run "${file}": ${reason}`, {
      hint: isRefused
        ? "permissions.run names what may be executed beyond the system and the pack"
        : undefined,
    });
  }
  if (step.startsWith(`${ENTER_TEXT} `))
    return new AuroraError("exec-failed", `cannot run "${file}": cannot ${step}: ${reason}`);
  return new AuroraError("denied", `cannot confine "${file}": cannot ${step}: ${reason}`);
}
