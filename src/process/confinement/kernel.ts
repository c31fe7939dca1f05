import { closeSync } from "node:fs";

import { systemReason } from "../../errors.ts";
import { landlockAbi, seccompError } from "../../system/kernel-features.ts";
import { openMemfdExecutable } from "../../system/memfd-executable.ts";
import { openMemoryFile } from "../../system/memory-file.ts";
import { controlGroupReason } from "./control-group.ts";
import { featureKey, readFeatures, writeFeatures } from "./feature-cache.ts";
import { launcherImages } from "./launcher-image.ts";
import { landlockReason, namespaceReason, seccompReason } from "./missing-reason.ts";
import { packUserReason } from "./pack-user.ts";
import { reExecCommand } from "./re-exec.ts";
import { parseReport } from "./report.ts";
import { compileNothing, compileTrial, type TrialLayers } from "./start-plan.ts";
import { type Arch } from "./system-calls.ts";

/** Null: it can be used. Else why not, in plain words. */
export type Reason = string | null;

/** What this kernel offers to confine with. */
export type KernelFeatures = {
  arch: Arch | null;
  /**
   * What makes a start's system calls: a small program in memory, or, where programs cannot be started from memory, this
   * program itself, which takes longer and cannot have namespaces.
   */
  backEnd?: "launcher" | "re-exec";
  /** Something can make a start's system calls, which everything else needs. */
  launcher: Reason;
  /** The version of Landlock's interface; 0 where there is none, and then `landlock` says why. */
  landlockAbi: number;
  landlock: Reason;
  seccomp: Reason;
  /** A mount namespace: root's own, or within a user namespace. */
  mountNamespace: Reason;
  /** A pid namespace with a /proc of its own, beside a mount namespace. */
  processNamespace: Reason;
  /** A network namespace, beside a mount namespace. */
  networkNamespace: Reason;
  /** Whether the mount namespace needs a user namespace: for everybody but root. */
  needsUserNamespace: boolean;
  /** For root: packs can run as users of their own (`packUser`). */
  ownUser?: Reason;
  /** A version 2 control group in which this process may make groups that limit memory and processes. */
  controlGroup: Reason;
};

const STDIN = 0;
const STDERR = 2;

/** A file in which features are kept from one program to the next. */
export type FeatureFile = {
  /** The caller's own, in a directory that nobody else may write to. */
  path: string;
  /** Nobody else writes it now: what is not in it yet may be kept. */
  isWritable: boolean;
};

let known: KernelFeatures | undefined;
let isKept = false;

/**
 * Finds out what the kernel offers, by trying it: what /proc says is not what a container or AppArmor lets one do. Costs
 * some 4 ms the first time; the result is kept until the program ends and, where nothing is missing, in `file` until the machine is
 * started again or something changes that it depends on.
 *
 * On another system than Linux nothing is tried, and everything has the same reason.
 */
export function probeKernel(file?: FeatureFile): KernelFeatures {
  if (known === undefined && file !== undefined) {
    known = readFeatures(file.path, featureKey());
    isKept = known !== undefined;
  }
  known ??= probe();
  if (file?.isWritable === true && !isKept && hasAll(known)) {
    writeFeatures(file.path, featureKey(), known);
    isKept = true;
  }
  return known;
}

/**
 * Only a kernel that offers everything is remembered. Should it not any more, a start fails; but what was missing may be there the
 * next time, in another container of the same machine, and then it has to be used.
 */
function hasAll(features: KernelFeatures): boolean {
  const { launcher, landlock, seccomp, mountNamespace, processNamespace, networkNamespace } = features;
  const reasons = [launcher, landlock, seccomp, mountNamespace, processNamespace, networkNamespace];
  return features.backEnd !== "re-exec" && reasons.every((reason) => reason === null);
}

function probe(): KernelFeatures {
  const arch = process.arch === "x64" || process.arch === "arm64" ? process.arch : null;
  if (process.platform !== "linux") return nothing(arch, "it needs Linux");
  if (arch === null || launcherImages[arch] === undefined)
    return nothing(arch, `there is no launcher for ${process.arch}`);
  const abi = landlockAbi();
  const isRoot = process.geteuid?.() === 0;
  const features: KernelFeatures = {
    arch,
    launcher: null,
    landlockAbi: Math.max(abi, 0),
    landlock: abi > 0 ? null : landlockReason(-abi),
    seccomp: seccompReason(-seccompError(arch)),
    mountNamespace: null,
    processNamespace: null,
    networkNamespace: null,
    needsUserNamespace: !isRoot,
    ownUser: packUserReason(isRoot),
    controlGroup: controlGroupReason(),
  };
  const everything = tryLauncher(arch, !isRoot, ["process-namespace", "network-namespace"]);
  if (everything.isDone) return features;
  if (!everything.isStarted) return withoutLauncher(features, arch, everything.reason);
  // Root without CAP_SYS_ADMIN, as in most containers, is as good as anybody else.
  const plain = tryLauncher(arch, !isRoot, []);
  const needsUserNamespace = !isRoot || (!plain.isDone && tryLauncher(arch, true, []).isDone);
  return { ...features, needsUserNamespace, ...tryNamespaces(arch, needsUserNamespace) };
}

function withoutLauncher(features: KernelFeatures, arch: Arch, why: string): KernelFeatures {
  const reason = `programs cannot be started from memory: ${why}`;
  const other = withReExec(features, reason);
  const trial = tryReExec(arch);
  return trial.isDone
    ? other
    : { ...other, launcher: `${reason}; and not by Aurora itself: ${trial.reason}` };
}

/** The same kernel, with this program itself in the place of the launcher. */
export function withReExec(
  features: KernelFeatures,
  why = "starting from memory is switched off",
): KernelFeatures {
  const reason = `${why}, and what does it instead has threads, to which the kernel gives no namespaces`;
  const [mountNamespace, processNamespace, networkNamespace] = [reason, reason, reason];
  return {
    ...features,
    backEnd: "re-exec",
    launcher: null,
    mountNamespace,
    processNamespace,
    networkNamespace,
  };
}

/** Has this program take the launcher's place for a start that ends at once. */
function tryReExec(arch: Arch): Pick<Trial, "isDone" | "reason"> {
  const image = openMemoryFile("aurora-trial", compileNothing(arch).build(arch, STDERR));
  try {
    // As its standard input: that is what it is not otherwise.
    const { argv } = reExecCommand(STDIN);
    const { exitCode, stderr } = Bun.spawnSync(argv, { cwd: "/", env: {}, stdin: image, stderr: "pipe" });
    const reason = parseReport(stderr.toString())?.reason ?? `it ended with code ${exitCode}`;
    return { isDone: exitCode === 0, reason };
  } catch (thrown) {
    return { isDone: false, reason: systemReason(thrown) ?? String(thrown) };
  } finally {
    closeSync(image);
  }
}

/** Each by itself, where all of them at once cannot be had. */
function tryNamespaces(
  arch: Arch,
  needsUserNamespace: boolean,
): Pick<KernelFeatures, "mountNamespace" | "processNamespace" | "networkNamespace"> {
  const attempt = (...layers: TrialLayers): Reason => {
    const trial = tryLauncher(arch, needsUserNamespace, layers);
    return trial.isDone ? null : namespaceReason(trial);
  };
  const mountNamespace = attempt();
  return {
    mountNamespace,
    processNamespace: mountNamespace ?? attempt("process-namespace"),
    networkNamespace: mountNamespace ?? attempt("network-namespace"),
  };
}

/** The same for all: for a system that has none of it. */
export function nothing(arch: Arch | null, reason: string): KernelFeatures {
  return {
    arch,
    launcher: reason,
    landlockAbi: 0,
    landlock: reason,
    seccomp: reason,
    mountNamespace: reason,
    processNamespace: reason,
    networkNamespace: reason,
    needsUserNamespace: false,
    ownUser: reason,
    controlGroup: reason,
  };
}

type Trial = { isDone: boolean; isStarted: boolean; step: string; reason: string };

/** Starts a launcher that makes namespaces as a command's would, and ends. */
function tryLauncher(arch: Arch, needsUserNamespace: boolean, layers: TrialLayers): Trial {
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const image = compileTrial(arch, needsUserNamespace, layers, uid, gid);
  let descriptor: number | undefined;
  try {
    descriptor = openMemfdExecutable("aurora-trial", image.build(arch, STDERR));
    const { exitCode, stderr } = Bun.spawnSync([`/proc/${process.pid}/fd/${descriptor}`], {
      env: {},
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    const report = parseReport(stderr.toString());
    return {
      isDone: exitCode === 0,
      isStarted: exitCode === 0 || report !== undefined,
      step: report?.step ?? "",
      reason: report?.reason ?? `the launcher ended with code ${exitCode}`,
    };
  } catch (thrown) {
    return { isDone: false, isStarted: false, step: "", reason: systemReason(thrown) ?? String(thrown) };
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
