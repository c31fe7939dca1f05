import { homedir } from "node:os";

/** A processor that qemu emulates, and what depends on it. */
export type Arch = {
  name: "x64" | "arm64";
  /** What Debian calls it. */
  debian: string;
  emulator: readonly string[];
  /** Makes programs for it. */
  compiler: string;
  /** Its Bun: what the program was compiled with. */
  bun: string;
  /** For its kernel: where messages go, and what it needs on an emulated processor. */
  kernelOptions: string;
  /** Where commands come from. */
  agent: { tty: string; device: readonly string[] };
};

export const ARCHES: readonly Arch[] = [
  {
    name: "x64",
    debian: "amd64",
    emulator: ["qemu-system-x86_64", "-cpu", "max"],
    compiler: "gcc",
    bun: process.execPath,
    // Whether the timer ticks it looks for a moment, and gives up: on a busy machine the emulator may not get that far by then.
    kernelOptions: "console=ttyS0 no_timer_check",
    agent: { tty: "ttyS1", device: ["-serial", "chardev:agent"] },
  },
  {
    name: "arm64",
    debian: "arm64",
    // A plain one: newer ones sign their return addresses, which takes long to emulate.
    emulator: ["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72"],
    compiler: "aarch64-linux-gnu-gcc",
    // Where compiling for it has put it.
    bun: `${homedir()}/.bun/install/cache/bun-linux-aarch64-v${Bun.version}`,
    kernelOptions: "console=ttyAMA0",
    // The board has one serial port of its own.
    agent: { tty: "ttyS0", device: ["-device", "pci-serial,chardev=agent"] },
  },
];
