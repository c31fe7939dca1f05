import { type Device, readDevice } from "../system/device/read-device.ts";
import { formatSize } from "../system/units.ts";
import { type Context } from "./command.ts";

export function run({ env }: Context): Device {
  return readDevice(env);
}

export function render(device: Device): string {
  const { enforced, available } = device.confinement;
  const offers = [
    ...(available.landlock_abi ? [`Landlock (ABI ${available.landlock_abi})`] : []),
    ...(available.seccomp ? ["seccomp"] : []),
    ...(available.user_namespaces ? ["user namespaces"] : []),
    ...(available.cgroup_v2 ? ["control groups v2"] : []),
  ];
  const rows: [string, string][] = [
    ["os", `${device.os} ${device.arch}`],
    ["kernel", device.kernel],
    ["libc", device.libc === null ? "unknown" : `${device.libc.name} ${device.libc.version ?? ""}`.trim()],
    ["cpus", `${device.cpus}${device.cpu_model === null ? "" : `, ${device.cpu_model}`}`],
    ["memory", formatSize(device.memory_bytes)],
    [
      "gpus",
      device.gpus.length === 0
        ? "none"
        : device.gpus.map(({ name, driver }) => (driver === null ? name : `${name} (${driver})`)).join(", "),
    ],
    ["init", device.init ?? "unknown"],
    ["container", device.container ?? "none"],
    ["confined", enforced.length === 0 ? "packs run unconfined in this build" : enforced.join(", ")],
    ["kernel has", offers.length === 0 ? "nothing to confine with" : offers.join(", ")],
  ];
  return rows.map(([name, value]) => `${name.padEnd(10)}  ${value}`).join("\n");
}
