/*
 * What the kernel's texts say: pure, so that every machine can be tested on any. Formats: proc(5), cgroups(7), and the kernel's
 * Documentation/admin-guide/cgroup-v2.rst and Documentation/ABI/testing/sysfs-bus-pci.
 */

/** The name of the processor in /proc/cpuinfo: x86 calls it "model name", some ARM kernels "Model" or "Hardware". */
export function cpuModel(cpuinfo: string): string | null {
  for (const key of ["model name", "Model", "Hardware", "cpu model"]) {
    const match = new RegExp(`^${key}\\s*:\\s*(.+)$`, "m").exec(cpuinfo);
    if (match) return (match[1] as string).trim().replaceAll(/\s+/g, " ");
  }
  return null;
}

/** MemTotal of /proc/meminfo, in bytes. */
export function totalMemory(meminfo: string): number | null {
  const match = /^MemTotal:\s+(\d+) kB$/m.exec(meminfo);
  return match ? Number(match[1]) * 1024 : null;
}

/** The groups that /proc/self/cgroup names: the unified one, and those of version 1 where they are mounted. */
export function ownCgroups(text: string): {
  unified: string | null;
  cpu: string | null;
  memory: string | null;
} {
  const found = { unified: null as string | null, cpu: null as string | null, memory: null as string | null };
  for (const line of text.split("\n")) {
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    if (!match) continue;
    const [, id, controllers = "", path = "/"] = match;
    if (id === "0" && controllers === "") found.unified = path;
    for (const name of controllers.split(",")) if (name === "cpu" || name === "memory") found[name] = path;
  }
  return found;
}

/** "50000 100000" is half a processor; "max 100000" and "-1 100000" are no limit. */
export function cpuQuota(text: string): number | null {
  const match = /^(\d+) (\d+)\s*$/.exec(text);
  return match && Number(match[2]) > 0 ? Number(match[1]) / Number(match[2]) : null;
}

/** The lowest of the limits that are one; version 1 writes "none" as a number near 2^63. */
export function lowestLimit(limits: readonly (number | null)[]): number | null {
  const real = limits.filter((limit) => limit !== null && limit > 0 && limit < 2 ** 60) as number[];
  return real.length === 0 ? null : Math.min(...real);
}

/**
 * Who process 1 is. systemd is asked for by its run directory, as sd_booted(3) does; others by their name, through the
 * program where that is a link to a multi-call binary.
 */
export function initName(comm: string, exe: string | null, isSystemd: boolean): string | null {
  if (isSystemd) return "systemd";
  const program = exe?.split("/").at(-1) ?? "";
  const name = comm.trim();
  const known: Record<string, string> = {
    "openrc-init": "openrc",
    "s6-svscan": "s6",
    "runit-init": "runit",
    runit: "runit",
    busybox: "busybox",
    dinit: "dinit",
    "tini-static": "tini",
  };
  return known[program] ?? known[name] ?? (name === "" ? null : name);
}

export type ContainerFacts = {
  hasDockerEnv: boolean;
  hasContainerEnv: boolean;
  /** `$container`, as systemd's container interface has it. */
  containerVariable: string | undefined;
  isKubernetes: boolean;
  /** /proc/self/cgroup and /proc/self/mountinfo. */
  cgroup: string;
  mountinfo: string;
};

/** The kind of container that this runs in, or null for none that can be told. */
export function containerOf(facts: ContainerFacts): string | null {
  const { cgroup, mountinfo, containerVariable } = facts;
  if (facts.isKubernetes || /\/kubepods[./]/.test(cgroup)) return "kubernetes";
  if (facts.hasContainerEnv || containerVariable === "podman" || /\/libpod-/.test(cgroup)) return "podman";
  if (facts.hasDockerEnv || containerVariable === "docker" || /\/docker[-/]/.test(cgroup)) return "docker";
  if (
    containerVariable === "lxc" ||
    /\/lxc(\.payload)?[./]/.test(cgroup) ||
    mountinfo.includes(" - fuse.lxcfs ")
  )
    return "lxc";
  return containerVariable === undefined || containerVariable === "" ? null : containerVariable;
}

export type PciDevice = {
  slot: string;
  class: string;
  vendor: string;
  device: string;
  driver: string | null;
};
export type NvidiaGpu = { slot: string; information: string };
export type DrmCard = { name: string; slot: string; driver: string | null };
export type Gpu = { name: string; driver: string | null; source: "pci" | "drm" | "nvidia" };

/** Display controllers: class 0x03 of the PCI code and ID assignment specification. */
const DISPLAY_CLASS = /^0x03/;

/** The graphics processors, each once: by NVIDIA's driver, which knows its name, else by PCI, else by the kernel's cards. */
export function gpusOf(
  pci: readonly PciDevice[],
  nvidia: readonly NvidiaGpu[],
  drm: readonly DrmCard[],
  nameOf: (vendor: string, device: string) => string,
): Gpu[] {
  const known = new Map<string, Gpu>();
  for (const { slot, information } of nvidia) {
    const model = /^Model:\s*(.+)$/m.exec(information)?.[1]?.trim();
    known.set(slot.toLowerCase(), { name: model ?? "NVIDIA", driver: "nvidia", source: "nvidia" });
  }
  for (const device of pci)
    if (DISPLAY_CLASS.test(device.class) && !known.has(device.slot.toLowerCase()))
      known.set(device.slot.toLowerCase(), {
        name: nameOf(device.vendor, device.device),
        driver: device.driver,
        source: "pci",
      });
  for (const { name, slot, driver } of drm)
    if (!known.has(slot.toLowerCase()))
      known.set(slot.toLowerCase(), { name: driver ?? name, driver, source: "drm" });
  return [...known.values()];
}

const vendors: Record<string, string> = {
  "0x10de": "NVIDIA",
  "0x1002": "AMD",
  "0x8086": "Intel",
  "0x1af4": "Virtio",
  "0x1234": "QEMU",
  "0x15ad": "VMware",
  "0x1a03": "ASPEED",
};

/** The names of all devices are a database of megabytes: the vendor and the number say enough to look one up. */
export function pciGpuName(vendor: string, device: string): string {
  return `${vendors[vendor] ?? vendor} ${device}`;
}
