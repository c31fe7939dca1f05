import { LOG_NEW_EXEC } from "./landlock-rules.ts";
import { type LayerName } from "./layers.ts";
import { type Policy } from "./policy.ts";
import { type Address, type ProgramImage } from "./program-image.ts";
import { holdNamespaces, prepareFiles } from "./start-files.ts";
import {
  becomeUser,
  closeDescriptors,
  dropPrivileges,
  filterSystemCalls,
  prepareFilter,
  resetSignals,
  setLimits,
  setSignalMask,
} from "./start-process.ts";
import { type Command, createStart, type Start, type StartPlan } from "./start.ts";
import { type Arch } from "./system-calls.ts";

/** How the texts of the steps begin that are about the command itself, so that a report can be told from others. */
export const ENTER_TEXT = "enter";
export const EXECUTE_TEXT = "execute";

const ENOEXEC = 8;
const UMASK = 0o027;

const noLimits = {
  memory_bytes: null,
  processes: null,
  open_files: null,
  file_size_bytes: null,
  cpu_seconds: null,
};
/** Grants nothing. */
const nobody: Policy = {
  unconfined: false,
  system: { execute: [], read: [], list: [], devices: [], sharedMemory: [] },
  read: [],
  write: [],
  memory: [],
  execute: [],
  programs: [],
  home: "/",
  net: { connect: [], listen: [], udp: false },
  unix: false,
  signals: "inside",
  notify: false,
  limits: noLimits,
  namespaces: true,
};

/** What all starts of a plan have in common, compiled: most of it. */
export type CompiledPlan = { start: Start; ruleset: Address | undefined; filter: Address | undefined };

export function compilePlan(plan: StartPlan): CompiledPlan {
  const start = createStart(plan);
  closeDescriptors(start);
  resetSignals(start);
  const ruleset = prepareFiles(start);
  const hasFilter = start.has("seccomp") || plan.isAudit === true;
  return { start, ruleset, filter: hasFilter ? prepareFilter(start) : undefined };
}

/**
 * Compiles how a command is started under a policy: pure. The steps of a layer are there only where it is enforced, and then
 * a failure of any of them ends the start.
 */
export function compileStart(
  { start: begun, ruleset, filter }: CompiledPlan,
  command: Command,
): ProgramImage {
  const { plan } = begun;
  const start = createStart(plan, begun);
  const { call, image, has } = start;
  // After the mounts: a directory that was entered before would be the one of the caller's namespace.
  call(`${ENTER_TEXT} "${command.cwd}"`, "chdir", [image.text(command.cwd)]);
  becomeUser(start);
  if (has("no-new-privileges") || plan.isAudit) dropPrivileges(start);
  if (ruleset !== undefined) {
    const flags = plan.isAudit ? LOG_NEW_EXEC : 0;
    call("restrict itself by Landlock", "landlock_restrict_self", [ruleset, flags], { indirect: [0] });
  }
  setLimits(start);
  if (!plan.policy.unconfined) call("set the umask", "umask", [UMASK]);
  if (has("process-namespace") || has("reaper")) setSignalMask(start, 0);
  if (filter !== undefined) filterSystemCalls(start, filter);
  execute(start, command);
  return image;
}

function trialPlan(
  names: readonly LayerName[],
): Pick<StartPlan, "policy" | "roots" | "layers" | "newSession" | "landlockAbi"> {
  return {
    policy: nobody,
    roots: [{ path: "/dev", access: "write", isDirectory: true, isStrict: false }],
    layers: names.map((name) => ({ name, enforced: true, reason: null, isRequired: false })),
    newSession: true,
    landlockAbi: 0,
  };
}

/** What a trial is made with beside a mount namespace. */
export type TrialLayers = readonly ("process-namespace" | "network-namespace")[];

/**
 * A start in namespaces that executes nothing and ends with code 0: whether the launcher runs here, and the namespaces can
 * be had. It mounts over what every Linux has.
 */
export function compileTrial(
  arch: Arch,
  needsUserNamespace: boolean,
  layers: TrialLayers,
  uid: number,
  gid: number,
): ProgramImage {
  const plan = trialPlan(["mount-namespace", ...layers]);
  const start = createStart({ ...plan, needsUserNamespace, uid, gid, arch });
  closeDescriptors(start);
  resetSignals(start);
  prepareFiles(start);
  start.call("end", "exit_group", [0]);
  return start.image;
}

/** A start that does nothing but end. */
export function compileNothing(arch: Arch): ProgramImage {
  const start = createStart({ ...trialPlan([]), needsUserNamespace: false, uid: 0, gid: 0, arch });
  start.call("end", "exit_group", [0]);
  return start.image;
}

/** What `pinnedNamespaces` starts. */
export function compileHolder(
  arch: Arch,
  needsUserNamespace: boolean,
  uid: number,
  gid: number,
): ProgramImage {
  const start = createStart({ ...trialPlan([]), needsUserNamespace, uid, gid, arch });
  closeDescriptors(start);
  resetSignals(start);
  holdNamespaces(start);
  return start.image;
}

function execute({ call, image }: Start, { file, argv, env, hasShellFallback }: Command): void {
  const environment = image.texts(Object.entries(env).map(([name, value]) => `${name}=${value}`));
  const path = image.text(file);
  call(
    `${EXECUTE_TEXT} "${file}"`,
    "execve",
    [path, image.texts(argv), environment],
    hasShellFallback ? { tolerate: ENOEXEC } : {},
  );
  if (!hasShellFallback) return;
  const shell = "/bin/sh";
  const words = image.texts([shell, file, ...argv.slice(1)]);
  call(`${EXECUTE_TEXT} "${shell}"`, "execve", [image.text(shell), words, environment]);
}
