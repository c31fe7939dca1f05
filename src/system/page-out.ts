import { readFileSync } from "node:fs";

import { openLibc } from "./libc.ts";

/** Safe on any mapping: what is needed again is read again. MADV_DONTNEED is not: it drops relocated pages for good. */
const MADV_PAGEOUT = 21;

/**
 * Gives back the pages of the program file and its libraries that were only needed to start, also of their data as far as it was
 * never changed. They stay in the page cache, so whatever is used again comes back without a disk. A long-lived process calls it once it has come to rest.
 *
 * @returns how many bytes of address space were given up; 0 where the kernel has no such call (before 5.4)
 */
export function pageOutFileMaps(): number {
  if (process.platform !== "linux") return 0;
  const { madvise } = openLibc({ madvise: { args: ["u64", "u64", "i32"], returns: "i32" } });
  let bytes = 0;
  for (const line of readFileSync("/proc/self/maps", "latin1").split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+)/.exec(line);
    if (!match || match[3] === "0") continue;
    const [start, end] = [BigInt(`0x${match[1]}`), BigInt(`0x${match[2]}`)];
    if (madvise(start, end - start, MADV_PAGEOUT) === 0) bytes += Number(end - start);
  }
  return bytes;
}
