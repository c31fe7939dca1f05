import { type MachineLayer, machineLayers, machineSummary } from "../lifecycle/machine-confinement.ts";
import { probeKernel } from "../process/confinement/kernel.ts";
import { type Device, readDevice } from "../system/device/read-device.ts";
import { formatSize } from "../system/units.ts";
import { type Context } from "./command.ts";

type Result = Omit<Device, "confinement"> & {
  confinement: Device["confinement"] & {
    /** The layers that can be used here. */
    enforced: string[];
    layers: MachineLayer[];
  };
};

export function run({ env }: Context): Result {
  const device = readDevice(env);
  const layers = machineLayers(probeKernel(), process.geteuid?.() === 0);
  const enforced = layers.filter(({ available }) => available).map(({ name }) => name);
  return { ...device, confinement: { enforced, ...device.confinement, layers } };
}

export function render(device: Result): string {
  const { layers, available, enforced } = device.confinement;
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
    ["landlock", available.landlock_abi === null ? "unknown" : `ABI ${available.landlock_abi}`],
    ["confined", `${machineSummary(layers)}${enforced.length === 0 ? "" : `: ${enforced.join(", ")}`}`],
    ...layers.flatMap(({ name, reason }): [string, string][] =>
      reason === null ? [] : [["missing", `${name}: ${reason}`]],
    ),
  ];
  return rows.map(([name, value]) => `${name.padEnd(10)}  ${value}`).join("\n");
}
