import { fstatSync, readSync } from "node:fs";

/** The end of what was printed is enough for a report, in bytes. */
const MAX_REPORT_BYTES = 65_536;

/**
 * What a start has printed to a log since that had so many bytes: its last 64 KiB, from a whole character on. A log that was
 * rotated meanwhile is read from its begin.
 *
 * @param descriptor open for reading
 */
export function printedSince(descriptor: number, sizeBefore: number): string {
  const { size } = fstatSync(descriptor);
  const begin = sizeBefore > size ? 0 : sizeBefore;
  const start = Math.max(begin, size - MAX_REPORT_BYTES);
  const bytes = Buffer.alloc(size - start);
  const length = bytes.length === 0 ? 0 : readSync(descriptor, bytes, 0, bytes.length, start);
  let first = 0;
  if (start > begin) while (first < 3 && isInsideCharacter(bytes[first])) first++;
  return bytes.toString("utf8", first, length);
}

/** UTF-8: every byte of a character but its first. */
function isInsideCharacter(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
