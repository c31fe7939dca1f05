/** Who designed it, and which it is, as in the kernel's arch/arm64/include/asm/cputype.h. */
const ARM_LTD = 0x41;
const AMPERE = 0xc0;
const models: Record<number, Record<number, string>> = {
  [ARM_LTD]: {
    0xd03: "ARM Cortex-A53",
    0xd04: "ARM Cortex-A35",
    0xd05: "ARM Cortex-A55",
    0xd07: "ARM Cortex-A57",
    0xd08: "ARM Cortex-A72",
    0xd09: "ARM Cortex-A73",
    0xd0a: "ARM Cortex-A75",
    0xd0b: "ARM Cortex-A76",
    0xd0c: "ARM Neoverse-N1",
    0xd0d: "ARM Cortex-A77",
    0xd40: "ARM Neoverse-V1",
    0xd41: "ARM Cortex-A78",
    0xd46: "ARM Cortex-A510",
    0xd47: "ARM Cortex-A710",
    0xd49: "ARM Neoverse-N2",
    0xd4d: "ARM Cortex-A715",
    0xd4f: "ARM Neoverse-V2",
    0xd80: "ARM Cortex-A520",
    0xd81: "ARM Cortex-A720",
    0xd84: "ARM Neoverse-V3",
    0xd8e: "ARM Neoverse-N3",
  },
  [AMPERE]: { 0xac3: "Ampere-1", 0xac4: "Ampere-1A" },
};

/**
 * The processor's name by its numbers in /proc/cpuinfo, which on arm64 has no names: pure. Where there are several kinds it is the
 * first one's.
 */
export function armCpuModel(cpuinfo: string): string | null {
  const numberOf = (key: string) => new RegExp(`^CPU ${key}\\s*:\\s*(0x[0-9a-f]+)$`, "m").exec(cpuinfo)?.[1];
  const [implementer, part] = [numberOf("implementer"), numberOf("part")];
  if (implementer === undefined || part === undefined) return null;
  return models[Number(implementer)]?.[Number(part)] ?? `ARM ${implementer} ${part}`;
}
