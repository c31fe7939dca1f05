import { readFileSync } from "node:fs";

/** Of the pairs that the kernel gives each program: this one is the size of its pages (getauxval(3)). */
const AT_PAGESZ = 6n;
const USUAL_BYTES = 4096;

let known: number | undefined;

/** The size of a page of memory in bytes: 4 KiB, but on some arm64 16 or 64. */
export function pageSize(): number {
  return (known ??= readPageSize());
}

function readPageSize(): number {
  try {
    const pairs = new BigUint64Array(new Uint8Array(readFileSync("/proc/self/auxv")).buffer);
    const at = pairs.findIndex((key, index) => index % 2 === 0 && key === AT_PAGESZ);
    return at === -1 ? USUAL_BYTES : Number(pairs[at + 1]);
  } catch {
    return USUAL_BYTES;
  }
}
