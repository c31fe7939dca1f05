import { readFileSync } from "node:fs";

import { openLibc } from "./libc.ts";

/** Drops pages from this process alone: they stay in the page cache. Of pages that were changed it would drop the changes. */
const MADV_DONTNEED = 4;
/** Safe on any mapping, but takes pages that nobody else has mapped out of the page cache too, and only where the file is the caller's. */
const MADV_PAGEOUT = 21;

type Mapping = { start: number; length: number; advice: number };

/**
 * Gives back the pages of the program file and its libraries that were only needed for a while. Whatever is used again comes back,
 * of code and constants without a disk. A long-lived process calls it once it has come to rest.
 *
 * @returns how many bytes of address space were given up; 0 where there is no such call
 */
export function unmapFilePages(): number {
  if (process.platform !== "linux") return 0;
  const { madvise } = openLibc({ madvise: { args: ["usize", "usize", "i32"], returns: "i32" } });
  const mappings = fileMappings(ownMappings());
  // Each line that runs after its own part of the program is gone brings that back: so the longest, which is the code, goes last.
  mappings.sort((a, b) => a.length - b.length);
  let bytes = 0;
  for (const { start, length, advice } of mappings) if (madvise(start, length, advice) === 0) bytes += length;
  return bytes;
}

/** Some kernels are built without it: then nothing is given back. */
function ownMappings(): string {
  try {
    return readFileSync("/proc/self/smaps", "latin1");
  } catch {
    return "";
  }
}

/** See proc_pid_smaps(5). */
const mappingPattern = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+) [^]*?^Anonymous: +(\d+) kB$/gm;

function fileMappings(smaps: string): Mapping[] {
  return [...smaps.matchAll(mappingPattern)].flatMap(
    ([, from = "", to = "", access = "", inode, changed]) => {
      if (inode === "0") return [];
      const start = Number.parseInt(from, 16);
      const isAsInFile = changed === "0" && !access.includes("w");
      return {
        start,
        length: Number.parseInt(to, 16) - start,
        advice: isAsInFile ? MADV_DONTNEED : MADV_PAGEOUT,
      };
    },
  );
}
