import { describe, expect, test } from "bun:test";

import { armCpuModel } from "../../src/system/device/arm-cpu-model.ts";
import {
  type ContainerFacts,
  containerOf,
  cpuModel,
  cpuQuota,
  gpusOf,
  initName,
  lowestLimit,
  ownCgroups,
  pciGpuName,
  totalMemory,
} from "../../src/system/device/parse.ts";

test.each([
  ["processor\t: 0\nmodel name\t: AMD  EPYC 7B13\nflags\t: x", "AMD EPYC 7B13"],
  ["processor\t: 0\nBogoMIPS\t: 108\n\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 4", "Raspberry Pi 4"],
  ["", null],
])("the processor's name in %j", (text, name) => expect(cpuModel(text)).toBe(name));

const arm = (implementer: string, part: string) =>
  `processor\t: 0\nBogoMIPS\t: 125.00\nCPU implementer\t: ${implementer}\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: ${part}\nCPU revision\t: 3\n`;
test.each([
  [arm("0x41", "0xd08"), "ARM Cortex-A72"],
  [arm("0xc0", "0xac3"), "Ampere-1"],
  [arm("0x61", "0x022"), "ARM 0x61 0x022"],
  ["processor\t: 0\nmodel name\t: AMD EPYC", null],
])("the processor's name by its numbers in %j", (text, name) => expect(armCpuModel(text)).toBe(name));

test("memory is in units of 1024 bytes", () => {
  expect(totalMemory("MemTotal:       24683904 kB\nMemFree: 1 kB\n")).toBe(24683904 * 1024);
  expect(totalMemory("")).toBeNull();
});

describe("control groups", () => {
  test.each([
    ["0::/user.slice/a.scope\n", { unified: "/user.slice/a.scope", cpu: null, memory: null }],
    [
      "12:memory:/docker/x\n4:cpu,cpuacct:/docker/y\n0::/\n",
      { unified: "/", cpu: "/docker/y", memory: "/docker/x" },
    ],
    ["", { unified: null, cpu: null, memory: null }],
  ])("%j", (text, groups) => expect(ownCgroups(text)).toEqual(groups));

  test.each([
    ["50000 100000\n", 0.5],
    ["max 100000\n", null],
    ["-1 100000", null],
    ["", null],
    ["100000 0", null],
  ])("a quota of %j is %p processors", (text, quota) => expect(cpuQuota(text)).toBe(quota));

  test("the lowest limit counts, and version 1's number for none does not", () => {
    expect(lowestLimit([null, 9223372036854771712, 1024, 4096])).toBe(1024);
    expect(lowestLimit([null, 9223372036854771712])).toBeNull();
  });
});

test.each([
  ["systemd\n", null, true, "systemd"],
  ["init\n", "/sbin/openrc-init", false, "openrc"],
  ["init\n", "/bin/busybox", false, "busybox"],
  ["s6-svscan\n", null, false, "s6"],
  ["mine\n", null, false, "mine"],
  ["", null, false, null],
])("process 1 %j %p: %p", (comm, exe, isSystemd, name) => expect(initName(comm, exe, isSystemd)).toBe(name));

const bare: ContainerFacts = {
  hasDockerEnv: false,
  hasContainerEnv: false,
  containerVariable: undefined,
  isKubernetes: false,
  cgroup: "0::/\n",
  mountinfo: "",
};
test.each([
  [null, {}],
  ["docker", { hasDockerEnv: true }],
  ["docker", { cgroup: "12:memory:/docker/abc\n" }],
  ["podman", { hasContainerEnv: true }],
  ["podman", { cgroup: "0::/machine.slice/libpod-abc.scope" }],
  ["lxc", { containerVariable: "lxc" }],
  ["lxc", { mountinfo: "1 2 0:3 / /proc/cpuinfo rw - fuse.lxcfs lxcfs rw\n" }],
  ["kubernetes", { isKubernetes: true, hasDockerEnv: true }],
  ["kubernetes", { cgroup: "0::/kubepods.slice/x" }],
  ["systemd-nspawn", { containerVariable: "systemd-nspawn" }],
  [null, { containerVariable: "" }],
])("container %p: %j", (kind, facts) => expect(containerOf({ ...bare, ...facts })).toBe(kind));

describe("graphics processors", () => {
  const card = {
    slot: "0000:01:00.0",
    class: "0x030000",
    vendor: "0x10de",
    device: "0x2684",
    driver: "nvidia",
  };

  test("NVIDIA's driver knows the name, and each is shown once", () => {
    const nvidia = [{ slot: "0000:01:00.0", information: "Model: \t\t NVIDIA GeForce RTX 4090\nIRQ: 1\n" }];
    expect(
      gpusOf([card], nvidia, [{ name: "card0", slot: "0000:01:00.0", driver: "nvidia" }], pciGpuName),
    ).toEqual([{ name: "NVIDIA GeForce RTX 4090", driver: "nvidia", source: "nvidia" }]);
  });

  test("by PCI: display controllers only", () => {
    const network = { ...card, slot: "0000:02:00.0", class: "0x020000" };
    const amd = {
      ...card,
      slot: "0000:03:00.0",
      class: "0x038000",
      vendor: "0x1002",
      device: "0x740c",
      driver: null,
    };
    expect(gpusOf([network, amd], [], [], pciGpuName)).toEqual([
      { name: "AMD 0x740c", driver: null, source: "pci" },
    ]);
  });

  test("a card that is no PCI device, as on a small board", () => {
    expect(gpusOf([], [], [{ name: "card0", slot: "fec00000.v3d", driver: "v3d" }], pciGpuName)).toEqual([
      { name: "v3d", driver: "v3d", source: "drm" },
    ]);
  });
});
