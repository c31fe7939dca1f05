import { type KernelFeatures, type Reason } from "../process/confinement/kernel.ts";
import { PORTS_ABI, SCOPES_ABI } from "../process/confinement/landlock-rules.ts";
import { packUserReason } from "../process/confinement/pack-user.ts";

/** One of the means by which this machine can confine packs. */
export type MachineLayer = {
  name: string;
  available: boolean;
  /** Why not, in plain words; null where it is available. */
  reason: string | null;
  /** `confinement: required` needs it. */
  is_required: boolean;
};

/** All the means there are, and which of them this machine has: pure. */
export function machineLayers(features: KernelFeatures, isRoot: boolean): MachineLayer[] {
  const { launcher, landlock, landlockAbi } = features;
  const files = launcher ?? landlock;
  const atLeast = (abi: number): Reason =>
    files ?? (landlockAbi >= abi ? null : `it needs Landlock ABI ${abi}, and this kernel has ${landlockAbi}`);
  return [
    layer("landlock-files", true, files),
    layer("landlock-ports", false, atLeast(PORTS_ABI)),
    layer("landlock-scopes", false, atLeast(SCOPES_ABI)),
    layer("seccomp", true, launcher ?? features.seccomp),
    layer("no-new-privileges", true, launcher),
    layer("own-user", false, packUserReason(isRoot)),
    layer("mount-namespace", false, launcher ?? features.mountNamespace),
    layer("process-namespace", false, launcher ?? features.processNamespace),
    layer("network-namespace", false, launcher ?? features.networkNamespace),
    layer("control-group", false, launcher ?? features.controlGroup),
  ];
}

function layer(name: string, isRequired: boolean, reason: Reason): MachineLayer {
  return { name, available: reason === null, reason, is_required: isRequired };
}

/** In a few words, what happens to packs on a machine with these layers. */
export function machineSummary(layers: readonly MachineLayer[]): string {
  const missing = layers.filter(({ available, is_required }) => is_required && !available);
  if (missing.length === 0) return "packs run confined";
  const isAnyThere = layers.some(({ available, is_required }) => is_required && available);
  return isAnyThere
    ? `packs run confined in part: ${missing.map(({ name }) => name).join(", ")} ${missing.length === 1 ? "is" : "are"} missing`
    : "packs run unconfined";
}
