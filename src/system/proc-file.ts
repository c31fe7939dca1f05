import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** What the kernel says of a process is rarely longer than half of this. */
const BYTES = 4096;
/** A look at hundreds of processes would else make as many of them. */
const buffer = Buffer.allocUnsafeSlow(BYTES);

/**
 * The text of a file in /proc, each byte of it a character. In one step where it is short, which takes half as long as `readFileSync`:
 * that asks for its size, which no such file has, and for what comes after its end.
 *
 * @returns undefined where it is not there, or may not be read, or the process has ended meanwhile
 */
export function readProcFile(path: string): string | undefined {
  try {
    const length = readStart(path);
    // The kernel ends a step before the item that does not fit into it any more, so that what is near the end may go on.
    return length < BYTES / 2 ? buffer.toString("latin1", 0, length) : readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

function readStart(path: string): number {
  const descriptor = openSync(path, "r");
  try {
    return readSync(descriptor, buffer, 0, BYTES, 0);
  } finally {
    closeSync(descriptor);
  }
}
