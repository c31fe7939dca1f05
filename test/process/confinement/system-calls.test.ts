import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";

import {
  type Arch,
  findSystemCall,
  nameOfSystemCall,
  systemCallNames,
} from "../../../src/process/confinement/system-calls.ts";

/** Where the C library's headers, or a cross compiler's, have the numbers: the first that is there. */
const headers: Record<Arch, string[]> = {
  x64: ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"],
  arm64: ["/usr/aarch64-linux-gnu/include/asm-generic/unistd.h", "/usr/include/asm-generic/unistd.h"],
};

/** `#define __NR_read 63`, and for those that differ with the word size `#define __NR3264_mmap 222`. */
function numbersIn(file: string): Map<string, number> {
  const lines = readFileSync(file, "latin1").matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$/gm);
  return new Map([...lines].map(([, name, number]) => [name as string, Number(number)]));
}

describe.each(["x64", "arm64"] as const)("numbers of system calls on %s", (arch) => {
  const file = headers[arch].find((path) => existsSync(path));

  test.skipIf(file === undefined)("are those of the kernel's headers", () => {
    const known = numbersIn(file as string);
    // Of the calls that are newer than the headers nothing can be said; that is less than a tenth of them.
    const ours = systemCallNames.filter((name) => known.has(name));
    expect(ours.length).toBeGreaterThan(systemCallNames.length * 0.85);
    for (const name of ours) {
      // Headers shared by architectures have calls that this one does not.
      if (findSystemCall(name, arch) !== undefined)
        expect([name, findSystemCall(name, arch)]).toEqual([name, known.get(name)]);
    }
    if (arch === "x64") expect(ours.filter((name) => findSystemCall(name, arch) === undefined)).toEqual([]);
  });

  test("no two calls have the same", () => {
    for (const name of systemCallNames) {
      const number = findSystemCall(name, arch);
      if (number !== undefined) expect(nameOfSystemCall(number, arch)).toBe(name);
    }
  });
});
