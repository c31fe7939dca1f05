import { type KernelFeatures, type Reason } from "./kernel.ts";
import { PORTS_ABI, SCOPES_ABI } from "./landlock-rules.ts";
import { type Policy } from "./policy.ts";

export type LayerName =
  | "landlock-files"
  | "landlock-ports"
  | "landlock-scopes"
  | "seccomp"
  | "no-new-privileges"
  | "own-user"
  | "mount-namespace"
  | "process-namespace"
  | "network-namespace"
  | "reaper"
  | "control-group"
  | "memory-watch"
  | "limits"
  | "process-limit";

/** One of the kernel's means, and whether it holds for a policy on a kernel. */
export type Layer = {
  name: LayerName;
  enforced: boolean;
  /** Why it is not enforced, in plain words; null where it is. */
  reason: string | null;
  /** `confinement: required` needs it. The others add to it where the kernel has them. */
  isRequired: boolean;
};

/** Whether one of these layers holds. */
export function isEnforced(
  layers: readonly Pick<Layer, "name" | "enforced">[],
  ...names: readonly LayerName[]
): boolean {
  return layers.some(({ name, enforced }) => enforced && names.includes(name));
}

/**
 * Which layers a policy gets on a kernel: pure. A layer that the policy has no use for is not in the list: ports where no
 * port is granted (then there is no socket at all), a limit that is not set.
 */
export function layersFor(policy: Policy, features: KernelFeatures, isRoot: boolean): Layer[] {
  const layers: Layer[] = [];
  const add = (name: LayerName, isRequired: boolean, reason: Reason) =>
    void layers.push({ name, enforced: reason === null, reason, isRequired });
  const { launcher, landlock, landlockAbi } = features;
  const { net, limits, unconfined } = policy;
  const allowed = unconfined ? "the operator has allowed everything (--allow-all)" : null;
  const files = allowed ?? launcher ?? landlock;
  const atLeast = (abi: number, what: string): Reason =>
    files ??
    (landlockAbi >= abi ? null : `${what} needs Landlock ABI ${abi}, and this kernel has ${landlockAbi}`);
  add("landlock-files", true, files);
  if (net.connect.length > 0 || net.listen.length > 0)
    add("landlock-ports", true, atLeast(PORTS_ABI, "telling ports apart"));
  if (policy.signals === "inside" || !policy.unix)
    add("landlock-scopes", false, atLeast(SCOPES_ABI, "keeping signals and abstract sockets inside"));
  add("seccomp", true, allowed ?? launcher ?? features.seccomp);
  add("no-new-privileges", true, allowed ?? launcher);
  if (isRoot) add("own-user", false, launcher ?? ownUserReason(policy));
  const namespace = allowed ?? launcher ?? namespaceReason(policy, features);
  add("mount-namespace", false, namespace);
  add("process-namespace", false, namespace ?? processNamespaceReason(policy, features));
  if (wantsProcessNamespace(policy) && (namespace ?? features.processNamespace) !== null)
    add("reaper", false, launcher ?? allowed ?? reaperReason(features));
  if (!hasNetwork(policy)) add("network-namespace", false, namespace ?? features.networkNamespace);
  const { processes, memory_bytes: memory, ...others } = limits;
  const isGrouped = features.controlGroup === null;
  const unwatched = memory === null || isGrouped ? null : (launcher ?? memoryWatchReason(layers));
  if (Object.values(others).some((limit) => limit !== null) || unwatched !== null)
    add("limits", true, launcher);
  if (memory !== null || processes !== null) add("control-group", false, features.controlGroup);
  if (memory !== null && !isGrouped) add("memory-watch", false, unwatched);
  if (processes !== null)
    add("process-limit", false, launcher ?? processReason(policy, features, isRoot, namespace === null));
  return layers;
}

function ownUserReason({ uid }: Policy): Reason {
  return uid === undefined || uid === 0 ? "it runs as root" : null;
}

function namespaceReason(policy: Policy, features: KernelFeatures): Reason {
  if (!policy.namespaces) return "it is switched off for this command";
  if (policy.write.includes("/")) return "everything may be written";
  // A user namespace of our own has just one user in it.
  if (features.needsUserNamespace && policy.uid !== undefined)
    return features.mountNamespace ?? "in a user namespace the command could not run as another user";
  return features.mountNamespace;
}

function wantsProcessNamespace({ processNamespace, signals }: Policy): boolean {
  return processNamespace ?? signals === "inside";
}

/** In place of a pid namespace: what the command leaves behind is found and killed, not by the kernel but by the launcher. */
function reaperReason({ backEnd }: KernelFeatures): Reason {
  return backEnd === "re-exec" ? "it needs the launcher" : null;
}

/** Without a control group, whoever waits for the command looks at the memory of all that is below it. */
function memoryWatchReason(layers: readonly Layer[]): Reason {
  if (isEnforced(layers, "process-namespace", "reaper")) return null;
  return "nobody waits for all of its processes: that takes a pid namespace, or the launcher's reaper";
}

function processNamespaceReason(policy: Policy, features: KernelFeatures): Reason {
  if (policy.processNamespace === false) return "it is switched off for this command";
  if (!wantsProcessNamespace(policy))
    return "its processes and those of the pack's other starts are to reach each other";
  return features.processNamespace;
}

/** In a network namespace there are no ports of the machine, and no abstract sockets. */
function hasNetwork({ net, unix }: Policy): boolean {
  return net.connect.length > 0 || net.listen.length > 0 || net.udp || unix;
}

/** RLIMIT_NPROC counts all processes of a user within a user namespace, and never holds for root (setrlimit(2)). */
function processReason(
  policy: Policy,
  features: KernelFeatures,
  isRoot: boolean,
  hasNamespace: boolean,
): Reason {
  if (policy.uid !== undefined && policy.uid !== 0) return null;
  if (isRoot) return "the kernel's limit does not hold for root: run the pack as a user of its own";
  return hasNamespace && features.needsUserNamespace
    ? null
    : "without a user namespace the kernel would count all processes of this user";
}
