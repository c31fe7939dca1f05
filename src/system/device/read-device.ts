import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";

import { libcVersion } from "../libc.ts";
import { armCpuModel } from "./arm-cpu-model.ts";
import { type Confinement, readConfinement } from "./confinement.ts";
import {
  containerOf,
  cpuModel,
  cpuQuota,
  gpusOf,
  initName,
  lowestLimit,
  ownCgroups,
  pciGpuName,
  totalMemory,
} from "./parse.ts";

/** The facts of a machine, as `aurora device` shows them. Null is what could not be found out. */
export type Device = {
  os: string;
  arch: string;
  libc: { name: "glibc" | "musl"; version: string | null } | null;
  kernel: string;
  /** Processors that this process may use: by affinity and by the control group's quota. */
  cpus: number;
  cpu_model: string | null;
  /** Of the machine, or of the control group where that is less. */
  memory_bytes: number;
  gpus: { name: string; driver: string | null; source: "pci" | "drm" | "nvidia" }[];
  init: string | null;
  container: string | null;
  confinement: Confinement;
};

/** The runtime says "unknown" where the kernel has no name for it. */
function cpuModelOf(cpuinfo: string): string | null {
  const model = cpuModel(cpuinfo) ?? armCpuModel(cpuinfo) ?? cpus()[0]?.model;
  return model === undefined || model === "unknown" ? null : model;
}

const CGROUP = "/sys/fs/cgroup";

/** Finds out what machine this is, from /proc and /sys. Never throws: what cannot be read is null, or left out. */
export function readDevice(env: Readonly<Record<string, string | undefined>>): Device {
  const groups = ownCgroups(read("/proc/self/cgroup"));
  return {
    os: process.platform,
    arch: process.arch,
    libc: libcVersion(),
    kernel: release(),
    cpus: usableCpus(groups),
    cpu_model: cpuModelOf(read("/proc/cpuinfo")),
    memory_bytes: usableMemory(groups),
    gpus: readGpus(),
    init: initName(read("/proc/1/comm"), link("/proc/1/exe"), existsSync("/run/systemd/system")),
    container: containerOf({
      hasDockerEnv: existsSync("/.dockerenv"),
      hasContainerEnv: existsSync("/run/.containerenv"),
      containerVariable: env["container"] ?? read("/run/systemd/container").trim(),
      isKubernetes: env["KUBERNETES_SERVICE_HOST"] !== undefined,
      cgroup: read("/proc/self/cgroup"),
      mountinfo: read("/proc/self/mountinfo"),
    }),
    confinement: readConfinement(),
  };
}

/** A quota of half a processor still runs one thread at a time. */
function usableCpus(groups: ReturnType<typeof ownCgroups>): number {
  const quotas = [
    ...ancestors(groups.unified).map((path) => cpuQuota(read(`${CGROUP}${path}/cpu.max`))),
    ...ancestors(groups.cpu).map((path) =>
      cpuQuota(
        `${read(`${CGROUP}/cpu${path}/cpu.cfs_quota_us`).trim()} ${read(`${CGROUP}/cpu${path}/cpu.cfs_period_us`).trim()}`,
      ),
    ),
  ];
  const limit = lowestLimit(quotas);
  return limit === null
    ? availableParallelism()
    : Math.max(1, Math.min(availableParallelism(), Math.ceil(limit)));
}

function usableMemory(groups: ReturnType<typeof ownCgroups>): number {
  const total = totalMemory(read("/proc/meminfo")) ?? totalmem();
  const limits = [
    ...ancestors(groups.unified).map((path) => number(read(`${CGROUP}${path}/memory.max`))),
    ...ancestors(groups.memory).map((path) => number(read(`${CGROUP}/memory${path}/memory.limit_in_bytes`))),
  ];
  return Math.min(total, lowestLimit(limits) ?? total);
}

/** A group and all above it: the lowest of their limits counts. In a container the path may not be visible; the root is. */
function ancestors(path: string | null): string[] {
  if (path === null) return [];
  const names = path.split("/").filter((name) => name !== "");
  return ["", ...names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`)];
}

function number(text: string): number | null {
  return /^\d+\s*$/.test(text) ? Number(text) : null;
}

function readGpus(): Device["gpus"] {
  const pci = names("/sys/bus/pci/devices").map((name) => {
    const directory = `/sys/bus/pci/devices/${name}`;
    return {
      slot: name,
      class: read(`${directory}/class`).trim(),
      vendor: read(`${directory}/vendor`).trim(),
      device: read(`${directory}/device`).trim(),
      driver: link(`${directory}/driver`)?.split("/").at(-1) ?? null,
    };
  });
  const nvidia = names("/proc/driver/nvidia/gpus").map((slot) => ({
    slot,
    information: read(`/proc/driver/nvidia/gpus/${slot}/information`),
  }));
  const drm = names("/sys/class/drm")
    .filter((name) => /^card\d+$/.test(name))
    .map((name) => ({
      name,
      slot: link(`/sys/class/drm/${name}/device`)?.split("/").at(-1) ?? "",
      driver: link(`/sys/class/drm/${name}/device/driver`)?.split("/").at(-1) ?? null,
    }));
  return gpusOf(pci, nvidia, drm, pciGpuName);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function link(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch {
    return [];
  }
}
