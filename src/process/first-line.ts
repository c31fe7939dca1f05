import { closeSync, openSync, readSync } from "node:fs";

/** So much of a file tells what it is: the kernel looks at as many bytes (BINPRM_BUF_SIZE). */
const HEAD_BYTES = 256;
const NEWLINE = 10;

/**
 * The first line of a file without its end, or its first 256 bytes where that is less.
 *
 * @throws what node:fs throws where it cannot be read
 */
export function readFirstLine(path: string): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  const descriptor = openSync(path, "r");
  try {
    const read = head.subarray(0, readSync(descriptor, head));
    const newline = read.indexOf(NEWLINE);
    return newline === -1 ? read : read.subarray(0, newline);
  } finally {
    closeSync(descriptor);
  }
}
